//! The Python environment of the interop tests: a publisher and a reader that we did not write.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use duct::cmd;

use crate::project::{root, target};
use crate::tools;

/// Makes `target/interop-venv` with what `tests/interop/requirements.txt` pins; one that is up to date is left alone.
pub(crate) fn prepare() -> Result<()> {
    let requirements = root().join("tests/interop/requirements.txt");
    let wanted = fs::read_to_string(&requirements).context("tests/interop/requirements.txt cannot be read")?;
    let venv = target().join("interop-venv");
    let stamp = venv.join("requirements.installed.txt");
    let python = venv.join("bin/python");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) && tools::answers(&python) {
        return Ok(());
    }
    let base = base_python().context(
        "no Python of at least 3.13 was found on PATH or in pyenv; the publisher of the interop tests needs it\n\
         hint: pyenv install 3.13",
    )?;
    eprintln!("making {} with {}", venv.display(), base.display());
    cmd!(&base, "-m", "venv", "--clear", &venv).run().context("the virtual environment was not made")?;
    cmd!(&python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", &requirements)
        .run()
        .context("the packages of tests/interop/requirements.txt were not installed")?;
    fs::write(&stamp, wanted)?;
    Ok(())
}

/// A Python of at least 3.13, from PATH or from pyenv.
fn base_python() -> Option<PathBuf> {
    let mut candidates: Vec<PathBuf> = ["python3.13", "python3.14", "python3", "python"].map(PathBuf::from).into();
    let pyenv =
        env::var_os("PYENV_ROOT").map(PathBuf::from).or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".pyenv")));
    let versions = pyenv.and_then(|pyenv| fs::read_dir(pyenv.join("versions")).ok());
    candidates.extend(versions.into_iter().flatten().flatten().map(|version| version.path().join("bin/python3")));
    candidates.into_iter().find(|python| is_new_enough(python))
}

fn is_new_enough(python: &Path) -> bool {
    let question = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 13))";
    cmd!(python, "-c", question).stdout_null().stderr_null().run().is_ok()
}
