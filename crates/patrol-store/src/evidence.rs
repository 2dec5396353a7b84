//! Pictures and clips by content hash: `evidence/ab/<sha256>.jpg` and `.mp4`, and what happens when the disk is full.

use crate::error::StoreError;
use patrol_core::sighting::{Clip, Evidence, Jpeg};
use rustix::fs::FallocateFlags;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Builder;

/// Below this many free bytes evidence shrinks to its whole picture: some thousand of them.
pub(crate) const FREE_FLOOR: u64 = 256 << 20;
/// Below this many there is none: what is left is for leads, which are some 10 KB each.
const LEADS_ONLY: u64 = 32 << 20;
/// Kept aside and given up when even a lead finds no space: some hundreds of commits.
pub(crate) const RESERVE_BYTES: u64 = 16 << 20;

/// So many files of a change are written at once.
const WRITERS: usize = 6;

/// The disk as far as evidence needs it; a test has one that is full.
pub(crate) trait Disk: Send + Sync {
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;
    /// Creates `path` with `bytes`, on the disk before it returns.
    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
}

pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let space = rustix::fs::statvfs(dir)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }
    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_data()
    }
}

/// What became of the pictures of one change.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    /// Hash and size of every picture that is on the disk now.
    pub(crate) pictures: Vec<(String, u64)>,
    pub(crate) written: usize,
    pub(crate) left_out: usize,
    pub(crate) shrunk: bool,
    pub(crate) error: Option<String>,
}

/// The folder `evidence/` of a store.
#[derive(Debug, Clone)]
pub(crate) struct EvidenceFolder {
    root: PathBuf,
}

impl EvidenceFolder {
    pub(crate) fn at(store: &Path) -> Self {
        Self { root: store.join("evidence") }
    }

    /// Makes the folder with all its 256 parts, so that no commit has to, and drops half-written pictures of a killed process.
    pub(crate) fn prepare(&self) -> Result<(), StoreError> {
        make_dir(&self.root)?;
        for part in 0..=255_u8 {
            make_dir(&self.root.join(hex::encode([part])))?;
        }
        let incoming = self.incoming();
        make_dir(&incoming)?;
        for entry in fs::read_dir(&incoming).map_err(StoreError::io("list", &incoming))? {
            let path = entry.map_err(StoreError::io("list", &incoming))?.path();
            fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
        }
        sync_dir(&self.root).map_err(StoreError::io("sync", &self.root))
    }

    fn incoming(&self) -> PathBuf {
        self.root.join("incoming")
    }

    /// Path of a picture or clip; `name` must have passed [`is_sha256`].
    fn path(&self, name: &str, ending: &str) -> PathBuf {
        self.root.join(&name[..2]).join(format!("{name}{ending}"))
    }

    /// Writes what is not there yet: whole pictures first, then, if there is space, crops, previews and clips. Never fails: a
    /// lead must not wait for its pictures.
    pub(crate) fn store(&self, disk: &dyn Disk, evidence: &[Arc<Evidence>]) -> Stored {
        let mut stored = Stored::default();
        if evidence.is_empty() {
            return stored;
        }
        // Unknown is not full: the writes will tell.
        let free = disk.free_bytes(&self.root).unwrap_or(u64::MAX);
        let mut seen = BTreeSet::new();
        let mut unseen = |file: &Part<'_>| seen.insert(file.sha256.to_owned());
        let wholes: Vec<Part<'_>> = evidence.iter().map(|one| picture(&one.whole)).filter(&mut unseen).collect();
        let others = evidence.iter().flat_map(|one| std::iter::once(&one.crop).chain(&one.preview)).map(picture);
        let clips = evidence.iter().filter_map(|one| one.clip.as_ref()).map(clip);
        let others: Vec<Part<'_>> = others.chain(clips).filter(&mut unseen).collect();
        let mut parts = self.store_all(disk, &wholes, free >= LEADS_ONLY, &mut stored);
        // Once something did not fit, only whole pictures are tried.
        let wanted = free >= FREE_FLOOR && !stored.shrunk;
        parts.extend(self.store_all(disk, &others, wanted, &mut stored));
        for part in parts {
            if let Err(error) = sync_dir(&self.root.join(part)) {
                stored.error.get_or_insert_with(|| format!("evidence folder {part}: {error}"));
            }
        }
        stored
    }

    /// Stores files side by side: each waits for the disk, and on a busy machine for a core after that. Gives the folders in which any is now; until one finds the
    /// disk full, when the rest is left out.
    fn store_all<'a>(&self, disk: &dyn Disk, files: &[Part<'a>], wanted: bool, stored: &mut Stored) -> BTreeSet<&'a str> {
        let there: Vec<io::Result<bool>> = files.iter().map(|file| self.has(file)).collect();
        let missing: Vec<&Part<'a>> =
            files.iter().zip(&there).filter(|(_, there)| matches!(there, Ok(false))).map(|(file, _)| file).collect();
        let (next, full) = (AtomicUsize::new(0), AtomicBool::new(false));
        let placed: Vec<OnceLock<io::Result<Placed>>> = missing.iter().map(|_| OnceLock::new()).collect();
        let work = || {
            while let Some(index) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|index| *index < missing.len()) {
                let result = self.store_one(disk, missing[index], wanted && !full.load(Ordering::Relaxed), "");
                full.fetch_or(result.as_ref().is_err_and(is_full), Ordering::Relaxed);
                drop(placed[index].set(result));
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..missing.len().min(WRITERS) {
                // Without it there is one less.
                drop(Builder::new().name("evidence".to_owned()).spawn_scoped(scope, work));
            }
            work();
        });
        let mut placed = placed.into_iter().map(|placed| placed.into_inner().unwrap_or_else(|| Err(io::Error::other("was not written"))));
        let mut parts = BTreeSet::new();
        for (file, there) in files.iter().zip(there) {
            let now = match there {
                Ok(false) => placed.next().unwrap_or(Ok(Placed::Unwanted)),
                Ok(true) => Ok(Placed::Present),
                Err(error) => Err(error),
            };
            match now {
                Ok(now @ (Placed::Present | Placed::Written)) => {
                    stored.written += usize::from(matches!(now, Placed::Written));
                    stored.pictures.push((file.sha256.to_owned(), file.bytes.len() as u64));
                    // Also of one that was there: its writer may have been killed before it came to this.
                    parts.insert(&file.sha256[..2]);
                }
                Ok(Placed::Unwanted) => {
                    stored.left_out += 1;
                    stored.shrunk = true;
                }
                Err(error) => {
                    stored.left_out += 1;
                    stored.shrunk |= is_full(&error);
                    stored.error.get_or_insert_with(|| format!("evidence {}: {error}", file.sha256));
                }
            }
        }
        parts
    }

    /// Whether this file is there, whole. Fails when its name is not that of its bytes.
    fn has(&self, file: &Part<'_>) -> io::Result<bool> {
        if !is_sha256(file.sha256) || sha256_hex(file.bytes) != file.sha256 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its bytes have another SHA-256 than it says"));
        }
        Ok(fs::symlink_metadata(self.path(file.sha256, file.ending)).is_ok_and(|meta| meta.len() == file.bytes.len() as u64))
    }

    /// `half`: ending of the file while it is not whole; nobody else who writes at the same time may have the same.
    fn store_one(&self, disk: &dyn Disk, file: &Part<'_>, wanted: bool, half: &str) -> io::Result<Placed> {
        if !wanted {
            return Ok(Placed::Unwanted);
        }
        let path = self.path(file.sha256, file.ending);
        let incoming = self.incoming().join(format!("{}{half}", file.sha256));
        let placed = disk.write_synced(&incoming, file.bytes).and_then(|()| fs::rename(&incoming, &path));
        if placed.is_err() {
            // Best effort: what stays is removed at the next start.
            drop(fs::remove_file(&incoming));
        }
        placed.map(|()| Placed::Written)
    }

    /// The bytes of a picture or clip, checked against its name; `None` when there is no such file.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let mut found = None;
        for ending in [PICTURE, CLIP] {
            let path = self.path(name, ending);
            match fs::read(&path) {
                Ok(bytes) => {
                    found = Some(bytes);
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(StoreError::io("read", &path)(error)),
            }
        }
        let Some(bytes) = found else { return Ok(None) };
        let found = sha256_hex(&bytes);
        if found == name {
            Ok(Some(bytes))
        } else {
            Err(StoreError::corrupt(format!("evidence {name}"), format!("its file has SHA-256 {found}, {} bytes", bytes.len())))
        }
    }

    /// Removes every picture that `keep` does not know; `removed` is told name and size of each.
    pub(crate) fn sweep(
        &self,
        mut keep: impl FnMut(&str) -> Result<bool, StoreError>,
        mut removed: impl FnMut(&str, io::Result<u64>),
    ) -> Result<(), StoreError> {
        for part in 0..=255_u8 {
            let dir = self.root.join(hex::encode([part]));
            for entry in fs::read_dir(&dir).map_err(StoreError::io("list", &dir))? {
                let path = entry.map_err(StoreError::io("list", &dir))?.path();
                // Only what we wrote is ours to remove.
                let Some(name) = path.file_name().and_then(|name| name.to_str()).and_then(content_hash) else {
                    continue;
                };
                if is_sha256(name) && !keep(name)? {
                    let size = fs::symlink_metadata(&path).map(|meta| meta.len());
                    removed(name, size.and_then(|size| fs::remove_file(&path).map(|()| size)));
                }
            }
        }
        Ok(())
    }
}

/// Writes evidence that waits to be committed, on a thread of its own and without the store's lock, so that the change that names it finds it there. What is
/// missing then is written, or left out and reported, by [`crate::Store::commit`]; what no change ever names is an orphan for [`crate::Store::expire`].
pub struct EvidenceAhead(EvidenceFolder);

impl EvidenceAhead {
    pub(crate) fn new(folder: &EvidenceFolder) -> Self {
        Self(folder.clone())
    }

    /// Nothing when space is short: what is left is given out by the commit alone.
    pub fn write(&self, evidence: &Evidence) {
        if RealDisk.free_bytes(&self.0.root).map_or(true, |free| free < FREE_FLOOR) {
            return;
        }
        let pictures = [&evidence.whole, &evidence.crop].into_iter().chain(&evidence.preview).map(picture);
        for file in pictures.chain(evidence.clip.as_ref().map(clip)) {
            let written = self
                .0
                .has(&file)
                .and_then(|there| if there { Ok(Placed::Present) } else { self.0.store_one(&RealDisk, &file, true, ".ahead") });
            if let Err(error) = written {
                tracing::debug!(sha256 = file.sha256, %error, "not written ahead");
                return;
            }
        }
    }
}

/// One file of the evidence.
#[derive(Clone, Copy)]
struct Part<'a> {
    sha256: &'a str,
    bytes: &'a [u8],
    ending: &'static str,
}

fn picture(jpeg: &Jpeg) -> Part<'_> {
    Part { sha256: &jpeg.sha256, bytes: &jpeg.bytes, ending: PICTURE }
}

fn clip(clip: &Clip) -> Part<'_> {
    Part { sha256: &clip.sha256, bytes: &clip.bytes, ending: CLIP }
}

const PICTURE: &str = ".jpg";
const CLIP: &str = ".mp4";

/// The hash in a file's name, if it is named like one of ours.
fn content_hash(name: &str) -> Option<&str> {
    name.strip_suffix(PICTURE).or_else(|| name.strip_suffix(CLIP))
}

enum Placed {
    Written,
    Present,
    Unwanted,
}

/// A file of [`RESERVE_BYTES`] that exists to be given up.
#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
    /// Given up, and not made again since.
    pub(crate) spent: bool,
}

impl Reserve {
    pub(crate) fn at(store: &Path) -> Self {
        Self { path: store.join("reserve"), spent: false }
    }

    /// Makes it when it is missing and there is plenty of space. A file system that cannot allocate has none.
    pub(crate) fn keep(&mut self, disk: &dyn Disk, dir: &Path) {
        let whole = fs::symlink_metadata(&self.path).is_ok_and(|meta| meta.len() == RESERVE_BYTES);
        if whole || disk.free_bytes(dir).map_or(true, |free| free < FREE_FLOOR + RESERVE_BYTES) {
            return;
        }
        let made = File::create(&self.path)
            .and_then(|file| rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES).map_err(io::Error::from));
        match made {
            Ok(()) => self.spent = false,
            Err(error) => {
                tracing::warn!(%error, "no reserve of space for leads");
                drop(fs::remove_file(&self.path));
            }
        }
    }

    /// Gives it up; false when there is none.
    pub(crate) fn spend(&mut self) -> bool {
        let spent = fs::remove_file(&self.path).is_ok();
        self.spent |= spent;
        spent
    }
}

/// 64 lower-case hexadecimal digits: nothing else ever becomes a path.
pub(crate) fn is_sha256(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Pictures of people: for the owner of the process only.
pub(crate) fn make_dir(dir: &Path) -> Result<(), StoreError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(StoreError::io("make the folder", dir))
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{clock, evidence, lead};
    use crate::{Change, CommitReport, ErrorKind, Store};

    /// A disk that says it has `free` bytes and takes `fits` more pictures.
    struct FullDisk {
        free: u64,
        fits: AtomicUsize,
        error: io::ErrorKind,
        tried: Arc<AtomicUsize>,
    }

    impl Disk for FullDisk {
        fn free_bytes(&self, _dir: &Path) -> io::Result<u64> {
            Ok(self.free)
        }
        fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
            self.tried.fetch_add(1, Ordering::Relaxed);
            if self.fits.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |fits| fits.checked_sub(1)).is_ok() {
                RealDisk.write_synced(path, bytes)
            } else {
                fs::write(path, &bytes[..bytes.len() / 2])?;
                Err(self.error.into())
            }
        }
    }

    /// Commits a lead with the evidence 1 and 2 and tells how many of their whole pictures, and of the two crops and two previews, are there.
    fn check(disk: FullDisk, expected: (usize, usize)) -> CommitReport {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open_on(dir.path(), clock(), Box::new(disk)).unwrap();
        let both = [evidence(1), evidence(2)];
        let report = store.commit(&Change { leads: &[lead(1, 1)], evidence: &both, ..Change::default() }).unwrap();
        let reader = store.reader().unwrap();
        let there = |jpeg: &&Jpeg| reader.evidence(&jpeg.sha256).unwrap().is_some();
        let wholes = both.iter().map(|one| &one.whole).filter(there).count();
        let others = both.iter().flat_map(|one| [&one.crop, &one.preview[0]]).filter(there).count();
        assert_eq!((wholes, others), expected);
        assert_eq!(store.load_leads().unwrap().len(), 1, "the lead is stored whatever becomes of its pictures");
        assert_eq!((report.evidence_written, report.evidence_left_out), (wholes + others, 6 - wholes - others));
        assert_eq!(fs::read_dir(dir.path().join("evidence/incoming")).unwrap().count(), 0, "no half-written picture stays");
        report
    }

    #[test]
    fn on_a_filling_disk_evidence_shrinks_to_whole_pictures_and_then_to_none() {
        let tried = Arc::<AtomicUsize>::default();
        let disk = |free, fits| FullDisk { free, fits: AtomicUsize::new(fits), error: io::ErrorKind::StorageFull, tried: tried.clone() };
        assert!(!check(disk(FREE_FLOOR, 99), (2, 4)).shrunk);
        assert!(check(disk(FREE_FLOOR - 1, 99), (2, 0)).shrunk);
        assert!(check(disk(LEADS_ONLY - 1, 99), (0, 0)).shrunk);
        // It said there was space, and there was not.
        assert!(check(disk(u64::MAX, 3), (2, 1)).shrunk);
        tried.store(0, Ordering::Relaxed);
        assert!(check(disk(u64::MAX, 1), (1, 0)).shrunk);
        assert_eq!(tried.load(Ordering::Relaxed), 2, "once a whole picture did not fit nothing smaller is tried");
        assert!(check(disk(u64::MAX, 0), (0, 0)).shrunk);
    }

    #[test]
    fn another_failure_of_the_disk_is_told_and_is_not_taken_for_a_full_one() {
        let disk = FullDisk { free: u64::MAX, fits: AtomicUsize::new(1), error: io::ErrorKind::PermissionDenied, tried: Arc::default() };
        let report = check(disk, (1, 0));
        assert!(!report.shrunk);
        assert!(report.evidence_error.is_some_and(|error| error.contains("permission denied")));
    }

    #[test]
    fn a_lead_without_space_is_refused_whole_and_stored_once_when_there_is_some() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path(), clock()).unwrap();
        let pages: i64 = store.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let limit = |store: &Store, pages: i64| store.connection.pragma_update(None, "max_page_count", pages).unwrap();
        let leads: Vec<_> = (0..400).map(|number| lead(number, 1)).collect();
        let items: Vec<_> = leads.iter().map(|lead| crate::fixture::item(patrol_core::desk::PushOp::Create, lead)).collect();
        let change = Change { leads: &leads, outbox: &items, desk_state: Some("{}"), ..Change::default() };
        limit(&store, pages + 20);
        let error = store.commit(&change).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Exhausted, "{error}");
        assert!(store.reserve.spent, "it was tried again with the reserve given up");
        assert_eq!((store.load_leads().unwrap().len(), store.outbox_counts().unwrap().waiting), (0, 0));
        limit(&store, 1_000_000);
        assert!(store.commit(&change).unwrap().reserve_spent);
        assert_eq!((store.load_leads().unwrap().len(), store.outbox_counts().unwrap().waiting), (400, 400));
        store.expire(crate::fixture::NIGHT).unwrap();
        assert!(!store.commit(&change).unwrap().reserve_spent, "made again once there is space");
    }
}
