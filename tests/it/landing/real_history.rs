//! Real input: from dispatch to landing over this repository's own history.

use crate::sandbox::Sandbox;
use serde_json::json;

#[test]
fn tasks_land_on_this_repositorys_own_history() {
    let sandbox = Sandbox::new();
    let repo = sandbox.clone_of_this_repository();
    if repo.git_ran(&["rev-parse", "--quiet", "--verify", "HEAD"]).code != 0 {
        // A source tree in which nothing was committed yet has no history to land on.
        return;
    }
    let before = repo.head();
    let count = || repo.git(&["rev-list", "--count", "HEAD"]).parse::<u32>().expect("a number");
    let commits = count();
    repo.dispatch("commits", &[&sandbox.agent("commit"), "src/task/agent.txt"]);
    repo.dispatch("leaves", &[&sandbox.agent("mixed")]);
    repo.offshoot(&["wait", "commits", "leaves"]).ok();
    repo.offshoot(&["merge", "commits"]).ok();
    repo.offshoot(&["rebase", "leaves"]).ok();
    assert_eq!(count(), commits + 4, "a commit and its merge, then two commits");
    let changed = repo.git(&["diff", "--name-only", &before]);
    let expected = "mixed.txt\nsrc/task/agent.txt\nstaged_by_agent.txt\nuntracked_by_agent.txt";
    assert_eq!(changed, expected);
    assert_eq!(repo.status_porcelain(), "");
    assert_eq!(repo.offshoot_json(&["list"])["tasks"], json!([]));
    repo.git(&["fsck", "--full", "--strict"]);
}
