//! The workshop: builds what was edited, one project at a time, and has the processors reloaded.
//!
//! A change during a build does not end that build: what a compiler leaves behind when it is killed is not worth the time. It
//! starts another one after it.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::{
    edits::Edit,
    news::{News, Reload},
    plan::Project,
    shell,
};
use crate::host::Reloader;

/// Builds in a row that may be started by what the one before wrote. Somebody may save a file while it is built, and some builds
/// settle.
const OWN_MAX: u32 = 3;
/// How far the time of a file may be from the time of a build within which it was written.
const SLACK: Duration = Duration::from_millis(20);

/// What is to be built.
pub(crate) struct Workshop {
    projects: Vec<Project>,
    directory: PathBuf,
    colours: bool,
    news: mpsc::Sender<News>,
    /// The projects that wait, with what was edited in them.
    waiting: BTreeMap<usize, Waiting>,
    /// The last build of each project.
    builds: BTreeMap<usize, Build>,
}

/// A project that waits.
struct Waiting {
    edit: Edit,
    /// Whether all of it was written while the project was built: perhaps by the build.
    own: bool,
}

/// When a project was built.
struct Build {
    began: Instant,
    /// None while it runs.
    ended: Option<Instant>,
    /// How many in a row were started by what the one before wrote.
    own: u32,
}

impl Build {
    fn wrote(&self, edit: &Edit) -> bool {
        edit.at + SLACK >= self.began && self.ended.is_none_or(|ended| edit.at <= ended + SLACK)
    }
}

/// Work on one project, to be done beside everything else.
pub(crate) struct Work {
    project: Project,
    directory: PathBuf,
    colours: bool,
    news: mpsc::Sender<News>,
    edit: Option<Edit>,
}

impl Workshop {
    pub(crate) fn new(projects: Vec<Project>, directory: PathBuf, colours: bool, news: mpsc::Sender<News>) -> Self {
        Self { projects, directory, colours, news, waiting: BTreeMap::new(), builds: BTreeMap::new() }
    }

    /// Everything that has a build command, as at the beginning.
    pub(crate) fn all(&self) -> Vec<Work> {
        let built = self.projects.iter().filter(|project| project.build.is_some());
        built.map(|project| self.work(project, None)).collect()
    }

    /// Notes an edit for every project that it is about.
    pub(crate) fn note(&mut self, edit: &Edit) {
        for (number, project) in self.projects.iter().enumerate() {
            let mut files = edit.files.clone();
            files.retain(|file| project.sources.iter().any(|sources| sources.has(file)));
            if files.is_empty() {
                continue;
            }
            let own = project.build.is_some() && self.builds.get(&number).is_some_and(|build| build.wrote(edit));
            let nothing = || Waiting { edit: Edit { files: Vec::new(), at: edit.at }, own: true };
            let known = self.waiting.entry(number).or_insert_with(nothing);
            known.own &= own;
            known.edit.at = edit.at;
            known.edit.files.extend(files);
            known.edit.files.sort();
            known.edit.files.dedup();
        }
    }

    /// The next work, if there is some. It is taken as [ended](Self::ended) before the next one is asked for.
    pub(crate) fn next(&mut self) -> Option<Work> {
        while let Some((number, Waiting { edit, own })) = self.waiting.pop_first() {
            let before = self.builds.get(&number).map_or(0, |build| build.own);
            let own = if own { before + 1 } else { 0 };
            if own > OWN_MAX {
                if own == OWN_MAX + 1
                    && let (Some(file), Some(build)) = (edit.files.first(), self.builds.get_mut(&number))
                    // Where there is no room now it is said the next time.
                    && self.news.try_send(News::Looping(file.clone())).is_ok()
                {
                    build.own = own;
                }
                continue;
            }
            self.builds.insert(number, Build { began: Instant::now(), ended: None, own });
            return self.projects.get(number).map(|project| self.work(project, Some(edit)));
        }
        None
    }

    /// What was built is ready, or failed.
    pub(crate) fn ended(&mut self) {
        for build in self.builds.values_mut() {
            build.ended.get_or_insert_with(Instant::now);
        }
    }

    fn work(&self, project: &Project, edit: Option<Edit>) -> Work {
        Work {
            project: project.clone(),
            directory: self.directory.clone(),
            colours: self.colours,
            news: self.news.clone(),
            edit,
        }
    }
}

impl Work {
    /// Builds, and if that goes well lets the processors look at their components. If it is dropped, the build ends.
    pub(crate) async fn run(self, reloader: Option<Reloader>) {
        let build = match &self.project.build {
            None => None,
            Some(command) => match self.build(command).await {
                Some(took) => Some(took),
                None => return,
            },
        };
        let Some(reloader) = reloader else { return };
        for processor in &self.project.processors {
            if let Some(reloaded) = reloader.reload(processor).await {
                let (edit, at) = (self.edit.clone(), Instant::now());
                let reload = Reload { processor: processor.clone(), reloaded, edit, build, at };
                self.tell(News::Reloaded(Box::new(reload))).await;
            }
        }
    }

    /// How long the build took; none if it failed.
    async fn build(&self, command: &str) -> Option<Duration> {
        self.tell(News::Building { command: command.to_owned(), edit: self.edit.clone() }).await;
        let line = async |line| self.tell(News::Output(line)).await;
        match shell::run(command, &self.directory, self.colours, line).await {
            Ok(ended) => {
                let took = ended.ok.then_some(ended.took);
                self.tell(News::Built(ended)).await;
                took
            }
            Err(error) => {
                self.tell(News::Unbuilt(format!("no shell can be started: {error}"))).await;
                None
            }
        }
    }

    async fn tell(&self, news: News) {
        // Whoever shows it has gone: the loop is about to end.
        drop(self.news.send(news).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dev::sources::Sources;

    #[test]
    fn a_build_that_writes_its_own_sources_does_not_go_on_for_ever() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let sources = vec![Sources::new(std::slice::from_ref(&root), [])];
        let project = Project { build: Some("true".to_owned()), sources, processors: Vec::new() };
        let (news, mut told) = mpsc::channel(8);
        let mut workshop = Workshop::new(vec![project], root.clone(), false, news);
        let edit = |name: &str, at: Instant| Edit { files: vec![root.join(name)], at };
        // Noticed while the build runs, or after it.
        let build = |workshop: &mut Workshop, early: bool| {
            let began = workshop.next().is_some();
            let generated = edit("generated.c", Instant::now());
            if early {
                workshop.note(&generated);
            }
            workshop.ended();
            if !early {
                workshop.note(&generated);
            }
            began
        };
        for early in [true, false] {
            let later = Instant::now() + 10 * SLACK;
            workshop.note(&edit("main.c", later));
            let builds = (0..10).filter(|_| build(&mut workshop, early)).count();
            assert_eq!(builds, 1 + OWN_MAX as usize);
            assert!(matches!(told.try_recv(), Ok(News::Looping(file)) if file == root.join("generated.c")));
            assert!(told.try_recv().is_err(), "it is said once");
        }
        // Somebody writes it: after the build.
        workshop.note(&edit("generated.c", Instant::now() + 10 * SLACK));
        assert!(workshop.next().is_some());
    }
}
