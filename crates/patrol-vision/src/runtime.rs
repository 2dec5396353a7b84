//! ONNX Runtime, loaded once per process from a shared library.

use crate::error::VisionError;
use ort::environment::Environment;
use ort::logging::LogLevel;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Names the library outright; wins over every other place.
const LIBRARY_VARIABLE: &str = "PATROL_ONNXRUNTIME";
/// Where `scripts/setup` puts it, relative to the checkout.
const LIBRARY_FILE: &str = ".runtime/libonnxruntime.so.1.31.1";

/// ONNX Runtime allows one environment per process; this is it, kept until the process ends.
static LOADED: Mutex<Option<Arc<OnnxRuntime>>> = Mutex::new(None);

#[derive(Debug)]
pub struct OnnxRuntime {
    library: PathBuf,
    environment: Environment,
}

impl OnnxRuntime {
    /// Loads the shared library, or returns the one already loaded. A second, different library in one process is an error.
    pub fn load(library: &Path) -> Result<Arc<Self>, VisionError> {
        let refused = |problem: String| VisionError::Runtime { library: library.to_owned(), problem };
        let library_file = library.canonicalize().map_err(|source| refused(format!("cannot be opened: {source}")))?;
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = loaded.as_ref() {
            if runtime.library == library_file {
                return Ok(Arc::clone(runtime));
            }
            return Err(refused(format!("this process has loaded {} already", runtime.library.display())));
        }
        let environment = ort::init_from(&library_file)
            .map_err(|error| refused(error.to_string()))?
            .with_name("patrol")
            .with_telemetry(false)
            .build()
            .map_err(|error| refused(error.to_string()))?;
        // Below this level the runtime formats several lines per inference, only for the subscriber to drop them.
        environment.set_log_level(LogLevel::Warning);
        let runtime = Arc::new(Self { library: library_file, environment });
        *loaded = Some(Arc::clone(&runtime));
        Ok(runtime)
    }

    /// Looks for the library: the variable `PATROL_ONNXRUNTIME`, then `.runtime/` in `start`, its parents, and the parents of the executable.
    pub fn find(start: &Path) -> Option<PathBuf> {
        if let Some(named) = std::env::var_os(LIBRARY_VARIABLE).filter(|value| !value.is_empty()) {
            return Some(PathBuf::from(named));
        }
        let start = start.canonicalize().unwrap_or_else(|_| start.to_owned());
        let executable = std::env::current_exe().unwrap_or_default();
        start.ancestors().chain(executable.ancestors()).map(|folder| folder.join(LIBRARY_FILE)).find(|file| file.is_file())
    }

    /// The library in use.
    pub fn library(&self) -> &Path {
        &self.library
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }
}
