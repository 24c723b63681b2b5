//! Landings cut off at every phase, made with the steps of the real one, and what recovery makes of
//! them: exactly before or exactly after, with nothing of ours left behind.

use super::landing_journal::{Journal, Landing, Phase, Place, Purpose};
use super::private_index::PrivateIndex;
use super::recover::{Recovered, Recovery};
use super::repo::{Checkout, Repo};
use super::staging::Staging;
use super::survey::{Manner, Span, Step, survey};
use super::swap::Swap;
use crate::environment::Environment;
use crate::landing::Strategy;
use crate::names::{BranchName, CommitId};
use std::fs;
use std::path::PathBuf;

/// A landing that stops half-way: three paths change, one of each sort, beside a person's edit.
struct CutOff {
    folder: tempfile::TempDir,
    repo: Repo,
    journal: Journal,
    staging: Staging,
    steps: Vec<Step>,
}

/// Up to where the landing got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reached {
    Lock,
    Journal,
    Removal,
    Replacement,
    Addition,
    Index,
    Target,
    Record,
}

const EVERY: [Reached; 8] = [
    Reached::Lock,
    Reached::Journal,
    Reached::Removal,
    Reached::Replacement,
    Reached::Addition,
    Reached::Index,
    Reached::Target,
    Reached::Record,
];

impl CutOff {
    fn at(reached: Reached) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().join("repo");
        fs::create_dir(&root).expect("make the repository's folder");
        let mut environment = Environment::default();
        environment.set("PATH", std::env::var_os("PATH").expect("a PATH"));
        environment.set("HOME", folder.path());
        environment.set("GIT_CONFIG_NOSYSTEM", "1");
        environment.set("GIT_CONFIG_GLOBAL", "/dev/null");
        git2::Repository::init_opts(&root, git2::RepositoryInitOptions::new().initial_head("main"))
            .expect("a repository");
        let repo = Repo::discover(&root, &environment).expect("the repository opens");
        let here = repo.here().expect("a checkout").clone();
        for (path, text) in [("a", "1\n"), ("gone", "1\n"), ("mine", "1\n")] {
            fs::write(root.join(path), text).expect("write");
        }
        let before = commit(&repo, &here, &[]);
        fs::write(root.join("a"), "2\n").expect("write");
        fs::write(root.join("new"), "2\n").expect("write");
        fs::remove_file(root.join("gone")).expect("remove");
        let after = commit(&repo, &here, &[before]);
        let at = |verb| repo.git.at(&here.git_dir, verb).work_tree(&root);
        at("update-ref").args(["refs/heads/main", &before.to_string()]).run().expect("moves");
        at("reset").args(["-q", "--hard"]).run().expect("resets");
        fs::write(root.join("mine"), "edited\n").expect("write");
        let landing = Landing {
            number: 7,
            task: "t".to_owned(),
            target: BranchName::new("main").expect("a branch"),
            before,
            after,
            strategy: Strategy::Merge,
            reflog: "offshoot: land t".to_owned(),
            purpose: Purpose::default(),
        };
        let journal = Journal::new(&folder.path().join("landings"), &landing).expect("a journal");
        let staging = Staging::of_landing(&here, 7).expect("places");
        let mut cut_off = Self { folder, repo, journal, staging, steps: Vec::new() };
        cut_off.run_to(reached, &landing);
        cut_off
    }

    fn run_to(&mut self, reached: Reached, landing: &Landing) {
        let changes =
            self.repo.changes_between(landing.before.0, landing.after.0).expect("changes");
        let span = Span { before: landing.before.0, after: landing.after.0, changes: &changes };
        self.staging.make().expect("folders");
        self.journal.record.checkouts = vec![Place::of(&self.staging, Vec::new())];
        self.journal.enter(Phase::Preparing).expect("written");
        self.staging.take_lock().expect("locked");
        if reached == Reached::Lock {
            return;
        }
        let index = PrivateIndex::copy(&self.repo, &self.staging).expect("copied");
        let mut steps = survey(&self.staging, &index, &span, Manner::Strict).expect("free").steps;
        index.advance(span.before, span.after).expect("advanced");
        let swap = Swap::open(&self.staging).expect("opened");
        assert!(swap.note_staged(&mut steps).expect("noted").is_empty());
        self.journal.record.checkouts = vec![Place::of(&self.staging, steps.clone())];
        self.journal.enter(Phase::Applying).expect("written");
        let done = match reached {
            Reached::Lock | Reached::Journal => 0,
            Reached::Removal => 1,
            Reached::Replacement => 2,
            _ => 3,
        };
        swap.carry_out(&steps[..done]).expect("swapped");
        self.steps = steps;
        if reached >= Reached::Index {
            index.install().expect("installed");
        }
        if reached >= Reached::Target {
            self.set_main(landing.after);
        }
        if reached >= Reached::Record {
            self.journal.enter(Phase::Done).expect("written");
        }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root().join(path)).ok()
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.root().join(path), text).expect("write");
    }

    fn set_main(&self, to: CommitId) {
        let git_dir = &self.staging.checkout.git_dir;
        let command = self.repo.git.at(git_dir, "update-ref");
        command.args(["refs/heads/main", &to.to_string()]).run().expect("moves");
    }

    fn main(&self) -> CommitId {
        self.repo.read_ref("refs/heads/main").expect("readable").expect("there")
    }

    fn status(&self) -> String {
        let command = self.repo.git.at(&self.staging.checkout.git_dir, "status");
        command.work_tree(&self.root()).arg("--porcelain").run().expect("a status").line()
    }

    fn recover(&self) -> Vec<Recovered> {
        let reports = self.repo.recover_landings(&self.folder.path().join("landings"));
        reports.expect("the journals are readable")
    }

    fn assert_complete(&self) {
        let landing = &self.journal.record.landing;
        assert_eq!(self.main(), landing.after);
        assert_eq!(self.text("a").as_deref(), Some("2\n"));
        assert_eq!(self.text("new").as_deref(), Some("2\n"));
        assert_eq!(self.text("gone"), None);
        assert_eq!(self.status(), " M mine");
        self.assert_nothing_left();
    }

    fn assert_nothing_left(&self) {
        assert_eq!(self.text("mine").as_deref(), Some("edited\n"));
        for entry in fs::read_dir(&self.staging.checkout.git_dir).expect("a folder").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            assert!(!name.starts_with("offshoot") && !name.ends_with(".lock"), "{name} is left");
        }
    }
}

/// Commits everything in the checkout without moving a ref.
fn commit(repo: &Repo, here: &Checkout, parents: &[CommitId]) -> CommitId {
    let at = |verb| repo.git.at(&here.git_dir, verb).work_tree(&here.root);
    at("add").args(["-A", "."]).run().expect("added");
    let tree = at("write-tree").run().expect("a tree").line().parse().expect("an id");
    let signing = super::objects::Signing::Never;
    let new = super::objects::NewCommit { tree, parents, message: "m", author_of: None, signing };
    repo.create_commit(&new).expect("a commit")
}

#[test]
fn a_landing_cut_off_anywhere_ends_in_before_or_after() {
    for reached in EVERY {
        let cut_off = CutOff::at(reached);
        let reports = cut_off.recover();
        match (reached, reports.first().map(|report| &report.outcome)) {
            (Reached::Lock, Some(Recovery::TakenBack { left })) => {
                assert!(left.is_empty());
                assert_eq!(cut_off.main(), cut_off.journal.record.landing.before);
                assert_eq!(cut_off.status(), " M mine");
                cut_off.assert_nothing_left();
            }
            (Reached::Record, None) => cut_off.assert_complete(),
            (_, Some(Recovery::Finished { left })) => {
                assert!(left.is_empty(), "{reached:?}: {left:?}");
                cut_off.assert_complete();
            }
            (_, other) => panic!("{reached:?}: {other:?}"),
        }
        assert!(cut_off.recover().is_empty(), "a second recovery has nothing to do");
    }
}

#[test]
fn an_edit_made_after_the_crash_is_left_and_reported() {
    let cut_off = CutOff::at(Reached::Removal);
    cut_off.write("a", "a person's\n");
    let reports = cut_off.recover();
    let Recovery::Finished { left } = &reports[0].outcome else { panic!("{reports:?}") };
    assert_eq!(left.iter().map(|path| path.shown()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(cut_off.text("a").as_deref(), Some("a person's\n"));
    assert_eq!(cut_off.main(), cut_off.journal.record.landing.after);
    cut_off.assert_nothing_left();
}

#[test]
fn an_edit_made_before_anything_was_touched_takes_the_landing_back() {
    let cut_off = CutOff::at(Reached::Journal);
    cut_off.write("a", "a person's\n");
    let reports = cut_off.recover();
    assert!(matches!(reports[0].outcome, Recovery::TakenBack { .. }), "{reports:?}");
    assert_eq!(cut_off.main(), cut_off.journal.record.landing.before);
    assert_eq!(cut_off.text("gone").as_deref(), Some("1\n"));
    cut_off.assert_nothing_left();
}

#[test]
fn an_edit_that_a_swap_displaced_is_put_back() {
    let cut_off = CutOff::at(Reached::Replacement);
    let displaced = cut_off.staging.tree().join("a");
    assert_eq!(fs::read(&displaced).expect("displaced"), b"1\n");
    // What the swap would have displaced, had an editor been faster.
    fs::write(&displaced, "an editor's\n").expect("write");
    let reports = cut_off.recover();
    let Recovery::Finished { left } = &reports[0].outcome else { panic!("{reports:?}") };
    assert_eq!(left.len(), 1);
    assert_eq!(cut_off.text("a").as_deref(), Some("an editor's\n"));
    cut_off.assert_nothing_left();
}

#[test]
fn a_target_that_moved_on_meanwhile_has_the_files_swapped_back() {
    for reached in [Reached::Removal, Reached::Addition, Reached::Index] {
        let cut_off = CutOff::at(reached);
        let before = cut_off.journal.record.landing.before;
        let here = cut_off.staging.checkout.clone();
        let tree = cut_off.repo.tree_of(before).expect("a tree");
        let signing = super::objects::Signing::Never;
        let parents = &[before];
        let new =
            super::objects::NewCommit { tree, parents, message: "m", author_of: None, signing };
        let elsewhere = cut_off.repo.create_commit(&new).expect("a commit");
        cut_off.set_main(elsewhere);
        let reports = cut_off.recover();
        assert!(matches!(&reports[0].outcome, Recovery::TakenBack { left } if left.is_empty()));
        assert_eq!(cut_off.main(), elsewhere);
        assert_eq!(cut_off.status(), " M mine", "{reached:?} in {here:?}");
        assert_eq!(cut_off.text("gone").as_deref(), Some("1\n"));
        assert_eq!(cut_off.text("new"), None);
        cut_off.assert_nothing_left();
    }
}

#[test]
fn a_target_that_went_on_past_the_landing_keeps_its_files() {
    let cut_off = CutOff::at(Reached::Target);
    let after = cut_off.journal.record.landing.after;
    let tree = cut_off.repo.tree_of(after).expect("a tree");
    let signing = super::objects::Signing::Never;
    let parents = &[after];
    let new = super::objects::NewCommit { tree, parents, message: "m", author_of: None, signing };
    let further = cut_off.repo.create_commit(&new).expect("a commit");
    cut_off.set_main(further);
    let reports = cut_off.recover();
    assert!(matches!(&reports[0].outcome, Recovery::Finished { left } if left.is_empty()));
    assert_eq!(cut_off.main(), further);
    assert_eq!(cut_off.text("a").as_deref(), Some("2\n"));
    assert_eq!(cut_off.text("new").as_deref(), Some("2\n"));
    assert_eq!(cut_off.status(), " M mine");
    cut_off.assert_nothing_left();
}

#[test]
fn taking_back_is_finished_when_it_was_cut_off_itself() {
    let mut cut_off = CutOff::at(Reached::Addition);
    cut_off.journal.enter(Phase::Reverting).expect("written");
    Swap::open(&cut_off.staging)
        .expect("opened")
        .take_back(&cut_off.steps[2..])
        .expect("taken back");
    let reports = cut_off.recover();
    assert!(matches!(&reports[0].outcome, Recovery::TakenBack { left } if left.is_empty()));
    assert_eq!(cut_off.status(), " M mine");
    cut_off.assert_nothing_left();
}

#[test]
fn an_editor_that_is_faster_than_a_swap_wins() {
    let cut_off = CutOff::at(Reached::Journal);
    cut_off.write("a", "an editor's\n");
    let swap = Swap::open(&cut_off.staging).expect("opened");
    let error = swap.carry_out(&cut_off.steps).expect_err("refused");
    assert!(error.message.contains("`a`"), "{error}");
    assert!(swap.take_back(&cut_off.steps).expect("taken back").is_empty());
    assert_eq!(cut_off.text("a").as_deref(), Some("an editor's\n"));
    assert_eq!(cut_off.text("gone").as_deref(), Some("1\n"));
    assert_eq!(cut_off.text("new"), None);
}

#[test]
fn a_lock_that_somebody_else_took_after_the_crash_makes_recovery_wait() {
    let cut_off = CutOff::at(Reached::Removal);
    let lock = cut_off.staging.checkout.git_dir.join("index.lock");
    fs::remove_file(&lock).expect("remove");
    fs::write(&lock, "").expect("write");
    let reports = cut_off.recover();
    assert!(matches!(reports[0].outcome, Recovery::Stuck(_)), "{reports:?}");
    assert!(lock.exists());
    fs::remove_file(&lock).expect("remove");
    assert!(matches!(cut_off.recover()[0].outcome, Recovery::Finished { .. }));
    cut_off.assert_complete();
}

#[test]
fn a_lock_that_git_left_on_the_ref_is_removed_only_when_it_is_the_landings() {
    let cut_off = CutOff::at(Reached::Addition);
    let lock = cut_off.staging.checkout.git_dir.join("refs/heads/main.lock");
    fs::write(&lock, "1234567812345678123456781234567812345678\n").expect("write");
    assert!(matches!(cut_off.recover()[0].outcome, Recovery::Stuck(_)));
    assert!(lock.exists());
    fs::write(&lock, format!("{}\n", cut_off.journal.record.landing.after)).expect("write");
    assert!(matches!(cut_off.recover()[0].outcome, Recovery::Finished { .. }));
    cut_off.assert_complete();
}

#[test]
fn what_a_person_staged_after_the_crash_is_left_in_the_index() {
    let cut_off = CutOff::at(Reached::Removal);
    let git_dir = cut_off.staging.checkout.git_dir.clone();
    fs::remove_file(git_dir.join("index.lock")).expect("remove");
    cut_off.write("a", "a person's\n");
    let at = |verb| cut_off.repo.git.at(&git_dir, verb).work_tree(&cut_off.root());
    at("add").arg("a").run().expect("added");
    let reports = cut_off.recover();
    let Recovery::Finished { left } = &reports[0].outcome else { panic!("{reports:?}") };
    assert_eq!(left.iter().map(|path| path.shown()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(cut_off.text("a").as_deref(), Some("a person's\n"));
    assert_eq!(cut_off.text("new").as_deref(), Some("2\n"));
    assert_eq!(cut_off.status(), "M  a\n M mine");
    cut_off.assert_nothing_left();
}

#[test]
fn an_application_that_was_cut_off_is_taken_back() {
    let mut cut_off = CutOff::at(Reached::Lock);
    cut_off.recover();
    let landing = cut_off.journal.record.landing.clone();
    let here = cut_off.staging.checkout.clone();
    cut_off.staging = Staging::named(&here, "offshoot-apply").expect("places");
    let changes = cut_off.repo.changes_between(landing.before.0, landing.after.0).expect("changes");
    let span = Span { before: landing.before.0, after: landing.after.0, changes: &changes };
    cut_off.staging.make().expect("folders");
    let index = PrivateIndex::copy(&cut_off.repo, &cut_off.staging).expect("copied");
    let mut steps = survey(&cut_off.staging, &index, &span, Manner::Strict).expect("free").steps;
    index.advance(span.before, span.after).expect("advanced");
    let swap = Swap::open(&cut_off.staging).expect("opened");
    assert!(swap.note_staged(&mut steps).expect("noted").is_empty());
    fs::write(cut_off.staging.steps(), serde_json::to_vec(&steps).expect("json")).expect("write");
    swap.carry_out(&steps).expect("swapped");
    assert!(cut_off.recover().is_empty());
    assert_eq!(cut_off.status(), " M mine");
    cut_off.assert_nothing_left();
}

#[test]
fn a_checkout_that_left_the_target_after_the_crash_is_swapped_back() {
    let cut_off = CutOff::at(Reached::Addition);
    fs::write(cut_off.staging.checkout.git_dir.join("HEAD"), "ref: refs/heads/side\n")
        .expect("write");
    let before = cut_off.journal.record.landing.before;
    let git_dir = &cut_off.staging.checkout.git_dir;
    let command = cut_off.repo.git.at(git_dir, "update-ref");
    command.args(["refs/heads/side", &before.to_string()]).run().expect("made");
    let reports = cut_off.recover();
    assert!(matches!(&reports[0].outcome, Recovery::TakenBack { left } if left.is_empty()));
    assert_eq!(cut_off.main(), before);
    assert_eq!(cut_off.status(), " M mine");
    cut_off.assert_nothing_left();
}
