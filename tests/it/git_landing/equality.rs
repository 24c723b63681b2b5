//! Our plans against git's own merges, rebases and squashes, over whole histories: the same verdict,
//! the same conflicting paths, the same trees.
//!
//! Here some merges of this repository and some pairs of branches made by chance (with a fixed seed).
//! `scripts/equality REPOSITORY…` takes every merge of other repositories.

mod generated;

use super::Sandbox;
use offshoot::git::{Coming, Forecast, Foreseen, Outlook, Plan, PlanRequest, Repo};
use offshoot::landing::Strategy;
use offshoot::names::CommitId;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What is made of two commits: the trees of the new commits from the first one on, or the paths in
/// conflict, or nothing.
#[derive(Debug, PartialEq)]
enum Made {
    Trees(Vec<String>),
    Conflicts(BTreeSet<String>),
    Nothing,
}

/// How many were compared, and how many of them conflict.
#[derive(Debug, Default)]
struct Tally {
    merges: usize,
    conflicts: usize,
    in_checkouts: usize,
    rebases: usize,
    differences: Vec<String>,
}

/// A repository with a checkout that git may merge and rebase in.
struct History<'a> {
    sandbox: &'a Sandbox,
    root: PathBuf,
    repo: Repo,
}

impl<'a> History<'a> {
    /// A clone that borrows the objects, so that nothing is written into `source`.
    fn of(sandbox: &'a Sandbox, source: &Path) -> Self {
        let root = sandbox.folder.path().join("history");
        let from = source.to_str().expect("UTF-8");
        let to = root.to_str().expect("UTF-8");
        sandbox.git(&["clone", "-q", "--shared", "--no-checkout", "--no-tags", from, to]);
        let repo = Repo::discover(&root, &sandbox.environment).expect("the repository opens");
        Self { sandbox, root, repo }
    }

    fn git(&self, arguments: &[&str]) -> String {
        self.sandbox.git_at(&self.root, arguments)
    }

    fn ran(&self, arguments: &[&str]) -> std::process::Output {
        self.sandbox.try_git(&self.root, arguments)
    }

    /// The parents of the newest merges of two, the first parent first.
    fn merges(&self, most: usize) -> Vec<(CommitId, CommitId)> {
        let line = ["rev-list", "--merges", "--max-parents=2", "--parents", "--remotes"];
        let list = self.git(&line);
        let parents = |line: &str| {
            let mut ids = line.split(' ').skip(1).map(|id| id.parse().expect("a commit"));
            (ids.next().expect("a parent"), ids.next().expect("a parent"))
        };
        list.lines().take(most).map(parents).collect()
    }

    fn planned(&self, strategy: Strategy, (target, tip): (CommitId, CommitId)) -> Made {
        let request = PlanRequest { target, tip, snapshot: None, strategy, message: "m" };
        let Ok(plan) = self.repo.plan(&request) else {
            return Made::Conflicts(BTreeSet::from(["refused".to_owned()]));
        };
        match plan {
            Plan::UpToDate => Made::Nothing,
            Plan::Conflicts(conflicts) => {
                let path = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
                Made::Conflicts(conflicts.iter().map(|it| path(it.path.as_bytes())).collect())
            }
            Plan::Ready(planned) => match strategy {
                Strategy::Rebase => self.trees(target, &planned.commit.to_string()),
                _ => Made::Trees(vec![planned.tree.to_string()]),
            },
            Plan::NotFastForward => unreachable!("nobody asked for a fast-forward"),
        }
    }

    /// The trees of the commits that lead from `target` to `end`, oldest first.
    fn trees(&self, target: CommitId, end: &str) -> Made {
        let range = format!("{target}..{end}");
        let trees = self.git(&["log", "--reverse", "--topo-order", "--format=%T", &range]);
        let trees: Vec<String> = trees.lines().map(str::to_owned).collect();
        if trees.is_empty() { Made::Nothing } else { Made::Trees(trees) }
    }

    fn tree_of(&self, commit: CommitId) -> String {
        self.git(&["rev-parse", &format!("{commit}^{{tree}}")])
    }

    /// What `git merge-tree` makes.
    fn merge_tree(&self, (target, tip): (CommitId, CommitId)) -> Made {
        let (one, two) = (target.to_string(), tip.to_string());
        let attributes = format!("--attr-source={target}");
        let names = "--name-only";
        let line =
            [&attributes, "merge-tree", "--write-tree", "-z", names, "--no-messages", &one, &two];
        let output = self.ran(&line);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut fields = text.split('\0').filter(|field| !field.is_empty());
        let tree = fields.next().unwrap_or_default().to_owned();
        match output.status.code() {
            Some(0) if tree == self.tree_of(target) => Made::Nothing,
            Some(0) => Made::Trees(vec![tree]),
            Some(1) => {
                // What git puts aside is named after the side.
                let place = |path: &str| {
                    let aside = [&one, &two]
                        .into_iter()
                        .find_map(|side| path.strip_suffix(&format!("~{side}")));
                    aside.unwrap_or(path).to_owned()
                };
                Made::Conflicts(fields.map(place).collect())
            }
            _ => Made::Conflicts(BTreeSet::from(["refused".to_owned()])),
        }
    }

    /// What `git merge` makes in a checkout; `--squash` where that is asked for.
    fn merge_in_checkout(&self, how: &str, (target, tip): (CommitId, CommitId)) -> Option<String> {
        self.git(&["checkout", "-q", "--force", "--detach", &target.to_string()]);
        let merged = self.ran(&["merge", "-q", "--no-commit", how, &tip.to_string()]);
        let tree = merged.status.success().then(|| self.git(&["write-tree"]));
        self.git(&["reset", "-q", "--hard"]);
        self.git(&["clean", "-qfdx"]);
        tree
    }

    /// What `git rebase` makes in a checkout.
    fn rebase_in_checkout(&self, (target, tip): (CommitId, CommitId)) -> Made {
        self.git(&["checkout", "-q", "--force", "--detach", &tip.to_string()]);
        if self.ran(&["rebase", "-q", "--no-autosquash", &target.to_string()]).status.success() {
            return self.trees(target, "HEAD");
        }
        let unmerged = self.git(&["diff", "--name-only", "--diff-filter=U", "-z"]);
        let paths = unmerged.split('\0').filter(|path| !path.is_empty()).map(str::to_owned);
        let made = Made::Conflicts(paths.collect());
        self.ran(&["rebase", "--abort"]);
        made
    }

    fn compare(
        &self,
        number: usize,
        pair: (CommitId, CommitId),
        in_checkouts: bool,
        tally: &mut Tally,
    ) {
        let mut differ = |what: &str, ours: &dyn std::fmt::Debug, gits: &dyn std::fmt::Debug| {
            let (target, tip) = pair;
            let text = format!("{what} of {tip} on {target}: ours {ours:?}, git's {gits:?}");
            tally.differences.push(text);
        };
        let (ours, gits) = (self.planned(Strategy::Merge, pair), self.merge_tree(pair));
        if ours != gits {
            differ("merge", &ours, &gits);
        }
        tally.merges += 1;
        tally.conflicts += usize::from(matches!(gits, Made::Conflicts(_)));
        if !in_checkouts {
            return;
        }
        let how = ["--no-ff", "--squash"][number % 2];
        let strategy = [Strategy::Merge, Strategy::Squash][number % 2];
        let tree = match self.planned(strategy, pair) {
            Made::Trees(trees) => trees.into_iter().next(),
            Made::Nothing => Some(self.tree_of(pair.0)),
            Made::Conflicts(_) => None,
        };
        let gits = self.merge_in_checkout(how, pair);
        if tree != gits {
            differ(how, &tree, &gits);
        }
        tally.in_checkouts += 1;
        let (ours, gits) = (self.planned(Strategy::Rebase, pair), self.rebase_in_checkout(pair));
        // In a checkout git names paths that it put aside by the commit's subject.
        let both_conflict = matches!((&ours, &gits), (Made::Conflicts(_), Made::Conflicts(_)));
        if ours != gits && !both_conflict {
            differ("rebase", &ours, &gits);
        }
        tally.rebases += 1;
    }
}

#[test]
fn merges_of_real_histories_come_out_as_gits() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).to_owned();
    let given = std::env::var("OFFSHOOT_HISTORIES").ok();
    let (sources, most, every) = match &given {
        Some(paths) => (paths.split(':').map(PathBuf::from).collect(), usize::MAX, 5),
        None if own.join(".git").exists() => (vec![own], 16, 5),
        // An unpacked archive has no history.
        None => return,
    };
    for source in sources {
        let sandbox = Sandbox::new();
        let history = History::of(&sandbox, &source);
        let mut tally = Tally::default();
        for (number, pair) in history.merges(most).into_iter().enumerate() {
            history.compare(number, pair, number % every == 0, &mut tally);
        }
        tell(&source, &tally);
    }
}

#[test]
fn merges_of_generated_histories_come_out_as_gits() {
    let sandbox = Sandbox::new();
    let pairs = if std::env::var_os("OFFSHOOT_HISTORIES").is_some() { 400 } else { 14 };
    let made = generated::branches(&sandbox, pairs);
    let history = History::of(&sandbox, &sandbox.root());
    let mut tally = Tally::default();
    for (number, pair) in made.into_iter().enumerate() {
        history.compare(number, pair, true, &mut tally);
    }
    tell(Path::new("generated"), &tally);
    assert!(tally.conflicts > 0 && tally.conflicts < tally.merges, "both sorts: {tally:?}");
}

/// What results come to on a target, and which two of them conflict there; by merges alone, or without
/// them where that is possible.
fn foreseen(
    history: &History<'_>,
    (target, tips): (CommitId, &[CommitId]),
    known: Option<Foreseen>,
) -> (Vec<(Forecast, BTreeSet<String>)>, Vec<bool>) {
    let scratch = history.root.join("scratch");
    // Nobody gives attributes here besides the trees.
    let is_the_same_for_all = known.is_some();
    let forecaster = history.repo.forecaster(target, &scratch, known);
    let mut forecaster = forecaster.expect("a forecaster");
    forecaster.is_the_same_for_all = is_the_same_for_all;
    let coming: Vec<_> = tips.iter().map(|tip| Coming { tip: *tip, snapshot: None }).collect();
    let seen = history.repo.scout(target, &coming).expect("is there");
    let outlooks = forecaster.outlooks(&coming, Some(seen)).expect("outlooks").into_iter();
    let outlooks: Vec<Outlook> = outlooks.map(|outlook| outlook.expect("a forecast")).collect();
    for (tip, outlook) in tips.iter().zip(&outlooks) {
        let gained = history.repo.git.at(history.repo.common_dir(), "rev-list");
        let gained = gained.args(["--count".to_owned(), format!("{tip}..{target}")]).run();
        assert_eq!(gained.expect("git counts").line(), outlook.behind.to_string(), "{tip}");
    }
    let pairs = outlooks
        .iter()
        .enumerate()
        .flat_map(|(at, one)| outlooks[at + 1..].iter().map(move |other| (one, other)));
    let pairs: Vec<_> = pairs.collect();
    let conflicts = forecaster.conflicting(&pairs).expect("verdicts");
    let told = |outlook: &Outlook| {
        let changed = outlook.changed().iter().map(|path| path.shown()).collect();
        (outlook.forecast.clone(), changed)
    };
    (outlooks.iter().map(told).collect(), conflicts)
}

#[test]
fn forecasts_of_generated_histories_come_out_as_gits_merges() {
    let sandbox = Sandbox::new();
    let many = if std::env::var_os("OFFSHOOT_HISTORIES").is_some() { 40 } else { 8 };
    let made = generated::branches(&sandbox, many);
    let history = History::of(&sandbox, &sandbox.root());
    let tips: Vec<CommitId> = made.iter().flat_map(|(one, two)| [*one, *two]).collect();
    let (mut clean, mut conflicts) = (0, 0);
    // The base itself, of which all is clean, and targets that have moved on.
    for target in [sandbox.at("base"), tips[0], tips[3]] {
        let ours = foreseen(&history, (target, &tips), Some(Foreseen::default()));
        let gits = foreseen(&history, (target, &tips), None);
        for ((tip, ours), gits) in tips.iter().zip(&ours.0).zip(&gits.0) {
            assert_eq!(ours, gits, "{tip} on {target}");
        }
        let pairs = tips
            .iter()
            .enumerate()
            .flat_map(|(at, one)| tips[at + 1..].iter().map(move |other| (one, other)));
        for (((one, other), ours), gits) in pairs.zip(&ours.1).zip(&gits.1) {
            assert_eq!(ours, gits, "{one} and {other} on {target}");
        }
        conflicts += gits.1.iter().filter(|conflict| **conflict).count();
        clean += gits.1.iter().filter(|conflict| !**conflict).count();
    }
    assert!(clean > 40 && conflicts > 40, "{clean} clean, {conflicts} not");
}

#[expect(clippy::print_stdout, reason = "the long form tells figures")]
fn tell(source: &Path, tally: &Tally) {
    println!(
        "equality: {}: {} merges compared, {} of them conflict; {} in a checkout, {} rebases; {} differ",
        source.display(),
        tally.merges,
        tally.conflicts,
        tally.in_checkouts,
        tally.rebases,
        tally.differences.len()
    );
    assert!(tally.differences.is_empty(), "{}", tally.differences.join("\n"));
}
