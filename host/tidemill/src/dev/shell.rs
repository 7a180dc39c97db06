//! The shell: runs a build command and hands on what it prints, line by line, as it comes.

use std::{
    io,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, test_kill_process_group, waitpid};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    net::unix::pipe::Receiver,
    process::Command,
    time::timeout,
};

/// The longest line that is handed on whole, in bytes.
const LINE_BYTES_MAX: u64 = 8 * 1024;
/// How long what a command left running may keep its output open.
const AFTERMATH: Duration = Duration::from_millis(200);

/// How long a command that is told to end may take to.
const GRACE: Duration = Duration::from_millis(500);
/// How often it is looked whether it has.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// How a command ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    /// Whether it went well.
    pub(crate) ok: bool,
    /// How it ended, as in "exit status: 1".
    pub(crate) how: String,
    /// How long it took.
    pub(crate) took: Duration,
}

/// Kills a command with everything that it started, unless it has ended.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        let Some(group) = self.0 else { return };
        if let Err(error) = kill_process_group(group, Signal::TERM) {
            tracing::debug!(%error, "the build command had ended already");
            return;
        }
        let deadline = Instant::now() + GRACE;
        while is_there(group) {
            if Instant::now() >= deadline {
                // It has other plans. Nobody sees it in a terminal, and the next build would meet it.
                if let Err(error) = kill_process_group(group, Signal::KILL) {
                    tracing::debug!(%error, "the build command has ended at last");
                }
                return;
            }
            std::thread::sleep(LOOK_INTERVAL);
        }
    }
}

/// Whether anything of a group runs. A shell that has ended is there until somebody asks for its end.
fn is_there(group: Pid) -> bool {
    let ended = waitpid(Some(group), WaitOptions::NOHANG).is_ok_and(|ended| ended.is_some());
    ended || test_kill_process_group(group).is_ok()
}

/// Runs a command to its end in a directory. If the future is dropped, the command is told to end.
///
/// # Errors
/// When no shell can be started.
pub(crate) async fn run(
    command: &str,
    directory: &Path,
    colours: bool,
    mut line: impl AsyncFnMut(String),
) -> io::Result<Ended> {
    let began = Instant::now();
    // One pipe for both streams: their lines stay in order.
    let (reader, writer) = io::pipe()?;
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(directory).stdin(Stdio::null()).process_group(0);
    shell.stdout(writer.try_clone()?).stderr(writer);
    if colours {
        // A compiler sees a pipe and not the terminal behind it.
        shell.env("CARGO_TERM_COLOR", "always").env("CLICOLOR_FORCE", "1").env("FORCE_COLOR", "1");
    }
    let mut child = shell.spawn()?;
    // It holds the pipe's other end.
    drop(shell);
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
    let mut output = BufReader::new(Receiver::from_owned_fd(reader.into())?);
    let mut bytes = Vec::new();
    let status = loop {
        let mut piece = (&mut output).take(LINE_BYTES_MAX);
        tokio::select! {
            biased;
            read = piece.read_until(b'\n', &mut bytes) => match read {
                Ok(0) | Err(_) => break child.wait().await?,
                Ok(_) => line(take(&mut bytes)).await,
            },
            status = child.wait() => {
                let status = status?;
                let rest = async {
                    loop {
                        let mut piece = (&mut output).take(LINE_BYTES_MAX);
                        match piece.read_until(b'\n', &mut bytes).await {
                            Ok(0) | Err(_) => break,
                            Ok(_) => line(take(&mut bytes)).await,
                        }
                    }
                };
                // Something that it left running may hold the pipe for ever.
                drop(timeout(AFTERMATH, rest).await);
                break status;
            }
        }
    };
    if !bytes.is_empty() {
        line(take(&mut bytes)).await;
    }
    group.0 = None;
    Ok(Ended { ok: status.success(), how: status.to_string(), took: began.elapsed() })
}

/// A line without its end. The buffer is empty then.
fn take(bytes: &mut Vec<u8>) -> String {
    let line = String::from_utf8_lossy(bytes).trim_end_matches(['\n', '\r']).to_owned();
    bytes.clear();
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(command: &str) -> (Ended, Vec<String>) {
        let mut lines = Vec::new();
        let ended = run(command, Path::new("/"), false, async |line| lines.push(line)).await.unwrap();
        (ended, lines)
    }

    #[tokio::test]
    async fn both_streams_come_in_their_order_and_the_end_is_told() {
        let (ended, said) = lines("pwd; echo two >&2; printf three; exit 3").await;
        assert_eq!(said, ["/", "two", "three"]);
        assert!(!ended.ok && ended.how.contains('3'), "{ended:?}");
        assert!(lines("true").await.0.ok);
    }

    #[tokio::test]
    async fn what_a_command_leaves_running_does_not_hold_it_up() {
        let (ended, said) = lines("echo one; sleep 60 &").await;
        assert!(ended.ok && ended.took < Duration::from_secs(30), "{ended:?}");
        assert_eq!(said, ["one"]);
    }

    #[tokio::test]
    async fn a_command_that_is_not_wanted_any_more_ends_with_all_that_it_started() {
        ends_when_dropped("sh -c 'echo $$; sleep 60; touch late'").await;
    }

    #[tokio::test]
    async fn a_command_that_does_not_want_to_end_ends_all_the_same() {
        ends_when_dropped("sh -c 'trap : TERM; echo $$; while true; do sleep 60; done'").await;
    }

    async fn ends_when_dropped(command: &str) {
        let directory = tempfile::tempdir().unwrap();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let mut sender = Some(sender);
        let build = run(command, directory.path(), false, async |line| {
            drop(sender.take().map(|sender| sender.send(line)));
        });
        let pid = tokio::select! {
            _ = build => panic!("it runs for a minute"),
            line = receiver => line.unwrap(),
        };
        let deadline = Instant::now() + Duration::from_secs(30);
        let runs = || std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
        while runs() {
            assert!(Instant::now() < deadline, "the command goes on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
