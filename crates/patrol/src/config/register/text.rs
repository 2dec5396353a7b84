//! The bytes of a register to text: UTF-8, or the GB18030 that Chinese spreadsheets write.

use encoding_rs::GB18030;

#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) text: String,
    /// It was no UTF-8, and makes sense as GB18030.
    pub(super) from_gb18030: bool,
}

/// Why bytes are no text: found and hint.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoText {
    pub(super) found: String,
    pub(super) hint: &'static str,
}

const SAVE_AS_CSV: &str = "save the sheet as CSV UTF-8 (CSV UTF-8 逗号分隔)";

pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, NoText> {
    let refused = |found: &str, hint| Err(NoText { found: found.to_owned(), hint });
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\xD0\xCF\x11\xE0") {
        return refused("a workbook", SAVE_AS_CSV);
    }
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        return refused("text in UTF-16", SAVE_AS_CSV);
    }
    if bytes.contains(&0) {
        return refused("no text: it holds zero bytes", SAVE_AS_CSV);
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(Decoded { text: lines_of(text.to_owned()), from_gb18030: false });
    }
    // Text in GB18030 is hardly ever UTF-8 by chance; UTF-8 with a broken byte still is, for the most part, and would be read as nonsense.
    let (mut broken, mut whole) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        broken += usize::from(!chunk.invalid().is_empty());
        whole += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
    }
    if whole <= broken
        && let Some(text) = GB18030.decode_without_bom_handling_and_without_replacement(bytes)
    {
        return Ok(Decoded { text: lines_of(text.into_owned()), from_gb18030: true });
    }
    let line = 1 + bytes.utf8_chunks().next().map_or(0, |chunk| chunk.valid().matches('\n').count());
    refused(&format!("text that is neither UTF-8 nor GB18030, first in line {line}"), SAVE_AS_CSV)
}

/// Old Macintosh files end their lines with a carriage return alone.
fn lines_of(text: String) -> String {
    if text.contains('\r') && !text.contains('\n') { text.replace('\r', "\n") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_with_and_without_mark_and_gb18030_are_read() {
        let text = "编号,名称\na,人民路地下通道\n";
        let (gb, _, _) = GB18030.encode(text);
        for (bytes, from_gb18030) in
            [(text.as_bytes().to_vec(), false), ([b"\xEF\xBB\xBF", text.as_bytes()].concat(), false), (gb.to_vec(), true)]
        {
            let decoded = decode(&bytes).expect("text");
            assert_eq!((decoded.text.as_str(), decoded.from_gb18030), (text, from_gb18030));
        }
    }

    #[test]
    fn what_is_no_text_is_said_with_its_line() {
        let mut bytes = "编号,名称\na,人民路\nb,河南路\n".as_bytes().to_vec();
        let at = bytes.len() - 3;
        bytes[at] = 0xFF;
        assert!(decode(&bytes).expect_err("a broken byte").found.contains("line 3"));
        assert!(decode(b"PK\x03\x04rest").expect_err("a workbook").hint.contains("CSV"));
        assert!(decode(b"\xFF\xFEi\0d\0").is_err());
        assert!(decode(b"id\0,name").is_err());
    }
}
