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

/// What is to be built.
pub(crate) struct Workshop {
    projects: Vec<Project>,
    directory: PathBuf,
    colours: bool,
    news: mpsc::Sender<News>,
    /// The projects that wait, with what was edited in them.
    waiting: BTreeMap<usize, Edit>,
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
        Self { projects, directory, colours, news, waiting: BTreeMap::new() }
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
            let known = self.waiting.entry(number).or_insert_with(|| Edit { files: Vec::new(), at: edit.at });
            known.at = edit.at;
            known.files.extend(files);
            known.files.sort();
            known.files.dedup();
        }
    }

    /// The next work, if there is some.
    pub(crate) fn next(&mut self) -> Option<Work> {
        let (number, edit) = self.waiting.pop_first()?;
        self.projects.get(number).map(|project| self.work(project, Some(edit)))
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
