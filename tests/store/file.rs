//! The store in a file.

use crate::common;
use hardwire::responses::store::{Id, OpenError, Store, StoreError, Stores, file};
use hardwire::table::{FileStore, StoreBounds, Text};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const MANY: StoreBounds = StoreBounds { responses: 1 << 20, bytes: 1 << 30 };

/// A folder that is empty, and gone in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("store-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn path(&self) -> PathBuf {
        self.0.join("responses.redb")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(path: &Path, bounds: StoreBounds) -> Result<Stores, OpenError> {
    let path = Text::Baked(path.to_str().unwrap().to_owned().leak());
    let settings = FileStore { path, ttl: Duration::from_secs(3600), bounds };
    file::open(&settings, &common::place(&common::env()))
}

#[test]
fn chains() {
    let folder = Folder::new("chains");
    common::on_worker(common::chains(&open(&folder.path(), MANY).unwrap().worker()));
}

#[test]
fn expiry() {
    let folder = Folder::new("expiry");
    common::on_worker(common::expiry(&open(&folder.path(), MANY).unwrap().worker()));
}

#[test]
fn workers_and_another_start() {
    let folder = Folder::new("workers");
    common::workers(&open(&folder.path(), MANY).unwrap());
    common::workers(&open(&folder.path(), MANY).unwrap());
}

async fn there(store: &Store, ids: &[Id]) -> Vec<bool> {
    let mut out = Vec::new();
    for id in ids {
        out.push(store.get(*id).await.unwrap().is_some());
    }
    out
}

#[test]
fn the_oldest_make_room_also_for_those_of_another_start() {
    let folder = Folder::new("bounds");
    let few = StoreBounds { responses: 5, bytes: 1 << 20 };
    let mut ids = Vec::new();
    for _ in 0..2 {
        let stores = open(&folder.path(), few).unwrap();
        common::on_worker(async {
            let store = stores.worker();
            for _ in 0..4 {
                let record = common::record(&store, None, 30);
                store.put(&record).await.unwrap();
                ids.push(record.id);
            }
            let first = ids.len().saturating_sub(5);
            assert_eq!(there(&store, &ids[..first]).await, vec![false; first]);
            assert!(there(&store, &ids[first..]).await.iter().all(|there| *there));
        });
    }
    let little = StoreBounds { responses: 5, bytes: 1500 };
    let stores = open(&folder.path(), little).unwrap();
    common::on_worker(async {
        let store = stores.worker();
        assert_eq!(store.put(&common::record(&store, None, 3000)).await, Err(StoreError::TooLarge));
        let record = common::record(&store, None, 900);
        store.put(&record).await.unwrap();
        assert_eq!(there(&store, &ids).await, vec![false; 8]);
        assert_eq!(store.get(record.id).await, Ok(Some(record)));
    });
}

/// Pages that records leave are used again.
#[test]
fn the_file_does_not_grow_with_what_has_passed_through_it() {
    let folder = Folder::new("growth");
    let bounds = StoreBounds { responses: 1000, bytes: 4 << 20 };
    let stores = open(&folder.path(), bounds).unwrap();
    common::on_worker(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..64 {
            let store = stores.worker();
            tasks.spawn_local(async move {
                for size in 0..50 {
                    store.put(&common::record(&store, None, 300 * size)).await.unwrap();
                }
            });
        }
        tasks.join_all().await;
    });
    let length = std::fs::metadata(folder.path()).unwrap().len();
    // 24 MB have passed.
    assert!(length <= 3 * bounds.bytes, "{length}");
}

#[test]
fn a_file_serves_one_process() {
    let folder = Folder::new("one");
    let stores = open(&folder.path(), MANY).unwrap();
    let error = open(&folder.path(), MANY).unwrap_err();
    assert!(matches!(&error, OpenError::InUse(path) if *path == folder.path()), "{error}");
    let mut child = child(&folder.path());
    assert!(!child.wait().unwrap().success());
    drop(stores);
    open(&folder.path(), MANY).unwrap();
}

#[test]
fn a_file_that_is_none_is_told_at_once() {
    let folder = Folder::new("none");
    for path in [folder.0.clone(), folder.0.join("no/such/folder")] {
        assert!(matches!(open(&path, MANY), Err(OpenError::File { .. })), "{}", path.display());
    }
    std::fs::write(folder.path(), "This is a letter, not a database. ".repeat(500)).unwrap();
    let error = open(&folder.path(), MANY).unwrap_err();
    assert!(matches!(error, OpenError::File { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("private");
    drop(open(&folder.path(), MANY).unwrap());
    assert_eq!(std::fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

/// Writes as fast as it can, and tells every id that it was told is safe.
#[test]
#[ignore = "run by the tests that kill it"]
fn child_that_writes() {
    let stores = open(Path::new(&std::env::var("HARDWIRE_TEST_STORE").unwrap()), MANY).unwrap();
    let write = || {
        on_worker_many(&stores, 64);
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(write);
        }
    });
}

/// A line to the parent, in one write: it is there whole, or not at all.
fn say(line: &str) {
    std::io::stdout().lock().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// Endless.
fn on_worker_many(stores: &Stores, tasks: usize) {
    common::on_worker(async {
        let mut set = tokio::task::JoinSet::new();
        for _ in 0..tasks {
            let store = stores.worker();
            set.spawn_local(async move {
                loop {
                    let record = common::record(&store, None, 3000);
                    store.put(&record).await.unwrap();

                    say(&format!("stored {}", record.id));
                }
            });
        }
        set.join_next().await;
    });
}

fn child(path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "file::child_that_writes", "--ignored", "--nocapture"])
        .env("HARDWIRE_TEST_STORE", path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let folder = Folder::new("kill");
    let mut told = Vec::new();
    // Twice: the second process begins with what the first has left behind.
    for _ in 0..2 {
        let mut child = child(&folder.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let (mut line, mut since) = (String::new(), None);
        while lines.read_line(&mut line).unwrap() > 0 {
            if let Some(id) = line.strip_suffix('\n').and_then(|line| line.rsplit_once("stored ")) {
                told.push(id.1.parse::<Id>().unwrap());
                // In the midst of it.
                if since.get_or_insert_with(Instant::now).elapsed() > Duration::from_millis(700) {
                    child.kill().unwrap();
                }
            }
            line.clear();
        }
        assert!(!child.wait().unwrap().success());
        assert!(since.is_some(), "the child has written nothing");
    }
    let stores = open(&folder.path(), MANY).unwrap();
    common::on_worker(async {
        let store = stores.worker();
        assert!(told.len() > 100, "{}", told.len());
        for id in &told {
            let record = store.get(*id).await.unwrap().unwrap_or_else(|| panic!("{id} is lost"));
            assert!(record.response.starts_with(format!("{{\"response\":\"{id}\"}}").as_bytes()));
        }
        common::chains(&store).await;
    });
}

/// Writes until it cannot, then until it can again, and looks for all that it was told is safe.
#[test]
#[ignore = "run by the test that lets its disk fill up"]
fn child_that_fills_its_disk() {
    let stores = open(Path::new(&std::env::var("HARDWIRE_TEST_STORE").unwrap()), MANY).unwrap();
    common::on_worker(async {
        let store = stores.worker();
        let mut stored = Vec::new();
        let mut refused = false;
        loop {
            let record = common::record(&store, None, 30_000);
            match store.put(&record).await {
                Ok(()) => {
                    stored.push(record.id);
                    if refused {
                        break;
                    }
                }
                Err(StoreError::Unavailable(_)) => {
                    if !std::mem::replace(&mut refused, true) {
                        say(&format!("refused after {}", stored.len()));
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert!(stored.len() > 10);
        assert!(there(&store, &stored).await.iter().all(|there| *there));
        say("all there");
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_was_full_takes_writes_again() {
    let folder = Folder::new("full");
    // Beyond 8 MB, writing fails; the signal that would come with it is ignored.
    let script = r#"trap "" XFSZ; exec prlimit --fsize=8000000:unlimited "$0" "$@""#;
    let mut child = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "file::child_that_fills_its_disk", "--ignored", "--nocapture"])
        .env("HARDWIRE_TEST_STORE", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("refused after")));
    let pid = child.id().to_string();
    assert!(Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status().unwrap().success());
    assert!(lines.any(|line| line.contains("all there")));
    assert!(child.wait().unwrap().success());
}
