//! Carrying out what is asked of a running task: cancel, pause, resume. Intent is recorded before any
//! process is touched, so a new supervisor finishes what a dead one began.

use super::{Life, queue};
use crate::clock::Clock;
use crate::error::Result;
use crate::process::TreeSignal;
use crate::task::{Change, ControlAction, PauseStage, PausedSlot, ProcessIdentity, StopReason};

impl Life {
    /// Carries out every request that is there. One that makes no sense any more is forgotten.
    pub(super) fn carry_out_requests(&mut self, shim: &ProcessIdentity) -> Result<()> {
        let requests = self.store.requests(self.task.id())?;
        for request in &requests {
            match request.action {
                ControlAction::Cancel => self.commit(Change::StopAsked(StopReason::Cancelled))?,
                ControlAction::Pause { slot } => self.pause(shim, slot)?,
                ControlAction::Resume => self.ask_for_slot(shim)?,
                ControlAction::Continue => self.go_on(shim)?,
            }
        }
        self.store.carried_out(&self.lock, requests.len())
    }

    /// Finishes a pause that a dead supervisor was in the middle of.
    pub(super) fn take_up_pause(&mut self, shim: &ProcessIdentity) -> Result<()> {
        match self.pause_stage() {
            Some(PauseStage::Stopping) => self.stop(shim),
            Some(PauseStage::Waiting { .. }) => self.queue_for_slot(),
            Some(PauseStage::Stopped { .. }) | None => Ok(()),
        }
    }

    fn pause(&mut self, shim: &ProcessIdentity, slot: PausedSlot) -> Result<()> {
        if self.pause_stage().is_some() || self.is_stopping() {
            return Ok(());
        }
        self.commit(Change::PauseAsked(slot))?;
        self.stop(shim)
    }

    fn stop(&mut self, shim: &ProcessIdentity) -> Result<()> {
        self.with_tree(shim, |tree| tree.stop());
        self.commit(Change::Paused { tick_ms: Clock.tick_ms() })?;
        // Somebody else may have the slot.
        queue::pump_beside(&self.store, &self.config)
    }

    fn ask_for_slot(&mut self, shim: &ProcessIdentity) -> Result<()> {
        let Some(PauseStage::Stopped { .. }) = self.pause_stage() else { return Ok(()) };
        let kept = self.running().is_some_and(|running| !running.gave_its_slot_back());
        self.commit(Change::ResumeAsked)?;
        if kept { self.go_on(shim) } else { self.queue_for_slot() }
    }

    fn queue_for_slot(&mut self) -> Result<()> {
        self.store.settle(&self.lock, &self.task)?;
        queue::pump_beside(&self.store, &self.config)
    }

    fn go_on(&mut self, shim: &ProcessIdentity) -> Result<()> {
        let Some(PauseStage::Waiting { .. }) = self.pause_stage() else { return Ok(()) };
        // Woken first: if we die in between, the record still says that it waits, and it is woken again.
        let _ = self.signal(shim, TreeSignal::Continue);
        self.commit(Change::Resumed { tick_ms: Clock.tick_ms() })?;
        self.store.settle(&self.lock, &self.task)
    }

    fn pause_stage(&self) -> Option<PauseStage> {
        self.running()?.pause.map(|pause| pause.stage)
    }
}
