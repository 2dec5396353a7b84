//! Whether a decoder filled in what it could not decode.
//!
//! FFmpeg invents the missing parts of a damaged picture and its GStreamer elements pass it on as good: neither flags nor errors tell. What does
//! is FFmpeg's log, which GStreamer hands to whoever listens, on the thread that decodes. With one decoder thread that is the thread that
//! pushed the unit.

use crate::error::IngestError;
use gstreamer as gst;
use std::cell::Cell;
use std::sync::Once;

/// FFmpeg's words when blocks of a picture could not be decoded (H.264 conceals and says so; H.265 says what was missing). Other
/// complaints, above all about extra information between pictures, are common and harm nothing.
const SIGNS: [&str; 4] = ["concealing ", "error while decoding MB", "Could not find ref with POC", "Error decoding"];

thread_local! {
    static HEARD: Cell<bool> = const { Cell::new(false) };
}

/// Listens from now on, to GStreamer's decoders and to those that are FFmpeg's own alike; once for the whole process.
pub(crate) fn listen() -> Result<(), IngestError> {
    static LISTENING: Once = Once::new();
    gst::init().map_err(|error| IngestError::Gstreamer { what: format!("did not start: {error}") })?;
    // It is this plugin that takes FFmpeg's log over, when it is loaded.
    let libav = gst::Plugin::load_by_name("libav");
    libav.map_err(|_| IngestError::Gstreamer { what: "lacks the plugin `libav`".to_owned() })?;
    LISTENING.call_once(|| {
        // What is let through to listeners would also be printed; whoever asks for that by GST_DEBUG has it.
        if std::env::var_os("GST_DEBUG").is_none() {
            gst::log::remove_default_log_function();
        }
        gst::log::set_threshold_for_name("libav", gst::DebugLevel::Info);
        // It stays for as long as the process does.
        let _listener = gst::log::add_log_function(|category, _level, _file, _function, _line, _object, message| {
            if category.name() == "libav" && message.get().is_some_and(|text| SIGNS.iter().any(|sign| text.contains(sign))) {
                HEARD.set(true);
            }
        });
    });
    Ok(())
}

/// Runs `decode` and says whether a decoder on this thread concealed something meanwhile.
pub(crate) fn during<T>(decode: impl FnOnce() -> T) -> (T, bool) {
    HEARD.set(false);
    let result = decode();
    (result, HEARD.get())
}
