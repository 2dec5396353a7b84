//! H.264 slices written by us: the block code, and pictures that repeat the one before.
//!
//! A clip is encoded with CAVLC and slices of two macroblock rows. The first slice of a picture is replaced at send time by one that keeps the
//! encoder's slice header and holds the code: per cell one Intra_16×16 macroblock without AC, whose four quarters are driven far beyond black and
//! white, so that every decoder clips them to 0 and 255 whatever was predicted. Section numbers are those of ITU-T H.264.

use super::bits::{BitReader, BitWriter, nal_of, payload_bits, rbsp_of};
use super::code::BlockCode;

/// What slice headers depend on (§7.3.2.1, §7.3.2.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct ParameterSets {
    pub(super) mb_width: u32,
    pub(super) mb_height: u32,
    frame_num_bits: u32,
    poc_type: u32,
    poc_lsb_bits: u32,
    delta_pic_order_always_zero: bool,
    bottom_field_pic_order: bool,
    num_ref_idx: [u32; 2],
    weighted: bool,
    explicit_bi_weights: bool,
    deblocking_control: bool,
    redundant_pic_cnt: bool,
    init_qp: i32,
}

impl ParameterSets {
    /// `None`: not understood, or outside what is used here (frames, CAVLC, one slice group, 4:2:0).
    pub(super) fn parse(sps: &[u8], pps: &[u8]) -> Option<Self> {
        let rbsp = rbsp_of(sps);
        let mut s = BitReader::new(&rbsp);
        let profile = s.bits(8)?;
        s.bits(16)?;
        s.ue()?;
        if matches!(profile, 100 | 110 | 122 | 244) {
            // 4:2:0, 8 bit, no lossless bypass, no scaling matrices.
            if s.ue()? != 1 || s.ue()? != 0 || s.ue()? != 0 || s.flag()? || s.flag()? {
                return None;
            }
        }
        let frame_num_bits = s.ue()? + 4;
        let poc_type = s.ue()?;
        let mut poc_lsb_bits = 0;
        let mut delta_pic_order_always_zero = false;
        match poc_type {
            0 => poc_lsb_bits = s.ue()? + 4,
            1 => {
                delta_pic_order_always_zero = s.flag()?;
                s.se()?;
                s.se()?;
                for _ in 0..s.ue()? {
                    s.se()?;
                }
            }
            _ => {}
        }
        s.ue()?;
        s.flag()?;
        let (mb_width, mb_height) = (s.ue()? + 1, s.ue()? + 1);
        if !s.flag()? {
            return None;
        }
        let rbsp = rbsp_of(pps);
        let mut p = BitReader::new(&rbsp);
        p.ue()?;
        p.ue()?;
        let cabac = p.flag()?;
        let bottom_field_pic_order = p.flag()?;
        if cabac || p.ue()? != 0 {
            return None;
        }
        let num_ref_idx = [p.ue()? + 1, p.ue()? + 1];
        let weighted = p.flag()?;
        let explicit_bi_weights = p.bits(2)? == 1;
        let init_qp = 26 + p.se()?;
        p.se()?;
        p.se()?;
        let deblocking_control = p.flag()?;
        p.flag()?;
        let redundant_pic_cnt = p.flag()?;
        Some(Self {
            mb_width,
            mb_height,
            frame_num_bits,
            poc_type,
            poc_lsb_bits,
            delta_pic_order_always_zero,
            bottom_field_pic_order,
            num_ref_idx,
            weighted,
            explicit_bi_weights,
            deblocking_control,
            redundant_pic_cnt,
            init_qp,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SliceType {
    P,
    B,
    I,
}

/// A slice header (§7.3.3) as far as needed to write other slice data behind it.
#[derive(Debug, Clone)]
pub(super) struct SliceHead {
    nal_header: u8,
    pub(super) first_mb: u32,
    kind: SliceType,
    qp: i32,
    /// The header's bits up to the deblocking fields, then `disable_deblocking_filter_idc` = 1.
    bits: BitWriter,
    /// Where `idr_pic_id` stands in the RBSP.
    idr_pic_id: Option<(usize, usize)>,
}

impl SliceHead {
    /// `None`: not understood, or with prediction weights, which would have to be carried along.
    pub(super) fn parse(nal: &[u8], sets: &ParameterSets) -> Option<Self> {
        let nal_header = *nal.first()?;
        let (ref_idc, idr) = (nal_header >> 5 & 3, nal_header & 31 == 5);
        let rbsp = rbsp_of(nal);
        let mut s = BitReader::new(&rbsp);
        let first_mb = s.ue()?;
        let kind = match s.ue()? % 5 {
            0 => SliceType::P,
            1 => SliceType::B,
            2 => SliceType::I,
            _ => return None,
        };
        s.ue()?;
        s.bits(sets.frame_num_bits)?;
        let mut idr_pic_id = None;
        if idr {
            let from = s.position();
            s.ue()?;
            idr_pic_id = Some((from, s.position()));
        }
        if sets.poc_type == 0 {
            s.bits(sets.poc_lsb_bits)?;
            if sets.bottom_field_pic_order {
                s.se()?;
            }
        } else if sets.poc_type == 1 && !sets.delta_pic_order_always_zero {
            s.se()?;
            if sets.bottom_field_pic_order {
                s.se()?;
            }
        }
        if sets.redundant_pic_cnt {
            s.ue()?;
        }
        if kind == SliceType::B {
            s.flag()?;
        }
        let mut lists = match kind {
            SliceType::I => 0,
            SliceType::P => 1,
            SliceType::B => 2,
        };
        let mut num_ref_idx = sets.num_ref_idx;
        if lists > 0 && s.flag()? {
            for count in &mut num_ref_idx[..lists] {
                *count = s.ue()? + 1;
            }
        }
        while lists > 0 {
            lists -= 1;
            if s.flag()? {
                while s.ue()? != 3 {
                    s.ue()?;
                }
            }
        }
        if sets.weighted && kind == SliceType::P || sets.explicit_bi_weights && kind == SliceType::B {
            return None;
        }
        if ref_idc != 0 {
            if idr {
                s.bits(2)?;
            } else if s.flag()? {
                loop {
                    match s.ue()? {
                        0 => break,
                        3 => drop((s.ue()?, s.ue()?)),
                        1 | 2 | 4 | 6 => drop(s.ue()?),
                        _ => {}
                    }
                }
            }
        }
        let qp = sets.init_qp + s.se()?;
        let mut bits = BitWriter::default();
        bits.copy(&rbsp, 0, s.position());
        if sets.deblocking_control {
            // The code's edges stay sharp, and the grey guard stays grey.
            bits.ue(1);
        }
        Some(Self { nal_header, first_mb, kind, qp, bits, idr_pic_id })
    }

    /// Before a macroblock that is not skipped.
    fn begin_mb(&self, out: &mut BitWriter, skipped: u32) {
        if self.kind != SliceType::I {
            out.ue(skipped);
        }
    }

    /// An Intra_16×16 macroblock up to its residual: no coded AC, no chroma (Tables 7-11, 7-13, 7-14).
    fn intra16(&self, out: &mut BitWriter, prediction: Prediction, qp_delta: i32) {
        let before = match self.kind {
            SliceType::I => 0,
            SliceType::P => 5,
            SliceType::B => 23,
        };
        out.ue(before + 1 + prediction as u32);
        // Chroma: DC prediction of grey from grey.
        out.ue(0);
        out.se(qp_delta);
    }

    /// The slice that shows `code`: two macroblock rows, the second one grey.
    pub(super) fn with_code(&self, sets: &ParameterSets, code: &BlockCode) -> Vec<u8> {
        let mut out = self.bits.clone();
        // Cell 0: without neighbours the prediction is 128.
        self.begin_mb(&mut out, 0);
        self.intra16(&mut out, Prediction::Dc, 0);
        out.bits(1, 1);
        let cells = code.cells();
        for (number, cell) in cells.iter().enumerate() {
            self.begin_mb(&mut out, 0);
            self.intra16(&mut out, Prediction::Dc, if number == 0 { qp_delta(self.qp) } else { 0 });
            put_cell(&mut out, *cell);
        }
        // The last cell's right column averages to 128.
        self.begin_mb(&mut out, 0);
        self.intra16(&mut out, Prediction::Dc, 0);
        out.bits(1, 1);
        let done = cells.len() as u32 + 2;
        let rest = sets.mb_width.saturating_sub(done);
        if self.kind == SliceType::I {
            let guard = if sets.mb_height > 1 { sets.mb_width } else { 0 };
            for number in 0..rest + guard {
                let below_cell_0 = number == rest;
                self.intra16(&mut out, if below_cell_0 { Prediction::Vertical } else { Prediction::Horizontal }, 0);
                out.bits(1, 1);
            }
        } else {
            // Skipped: as in the picture before, which is grey there.
            out.ue(rest + sets.mb_width);
        }
        nal_of(self.nal_header, &out.finish())
    }

    /// A slice of `macroblocks` that shows what the reference picture shows. `None` for an I slice, which has none.
    pub(super) fn repeat(&self, macroblocks: u32) -> Option<Vec<u8>> {
        if self.kind == SliceType::I {
            return None;
        }
        let mut out = self.bits.clone();
        out.ue(macroblocks);
        Some(nal_of(self.nal_header, &out.finish()))
    }
}

/// The same slice of an IDR picture with another `idr_pic_id`, which must differ between successive IDR pictures (§7.4.3).
pub(super) fn with_idr_pic_id(nal: &[u8], sets: &ParameterSets, id: u32) -> Option<Vec<u8>> {
    let head = SliceHead::parse(nal, sets)?;
    let (from, to) = head.idr_pic_id?;
    let rbsp = rbsp_of(nal);
    let mut out = BitWriter::default();
    out.copy(&rbsp, 0, from);
    out.ue(id);
    out.copy(&rbsp, to, payload_bits(&rbsp));
    Some(nal_of(head.nal_header, &out.finish()))
}

/// Intra_16×16 prediction modes (Table 8-4).
#[derive(Debug, Clone, Copy)]
enum Prediction {
    Vertical = 0,
    Horizontal = 1,
    Dc = 2,
}

/// Quantiser of the cells: the largest, so that small levels suffice.
const CELL_QP: i32 = 51;

/// `mb_qp_delta` from `qp` to [`CELL_QP`]: −26..25, modulo 52 (§7.4.5).
fn qp_delta(qp: i32) -> i32 {
    (CELL_QP - qp + 26).rem_euclid(52) - 26
}

/// The residual of a cell: Intra16x16DCLevel with nC = 0 (§7.3.5.3.2, §9.2), as no neighbour has AC coefficients.
///
/// The Hadamard transform (§8.5.10) of four quarters of ±20 has one coefficient of ±20 or four of ±10. At QP 51 a DC of 20 becomes
/// 20 · 224 · 4 / 64 = 280 grey levels: more than any prediction can hold against.
fn put_cell(out: &mut BitWriter, cell: u8) {
    const QUARTER: i32 = 5;
    let sign = |bit: u8| if cell >> bit & 1 == 1 { QUARTER } else { -QUARTER };
    let (tl, tr, bl, br) = (sign(3), sign(2), sign(1), sign(0));
    // At the zig-zag places 0, 1, 2 and 4.
    let levels = [tl + tr + bl + br, tl - tr + bl - br, tl + tr - bl - br, tl - tr - bl + br];
    let coded: Vec<(usize, i32)> = [0, 1, 2, 4].into_iter().zip(levels).filter(|(_, level)| *level != 0).collect();
    if let [(place, level)] = coded[..] {
        // coeff_token for one coefficient, no trailing ones (Table 9-5).
        out.bits(0b00_0101, 6);
        put_levels(out, &[level]);
        // total_zeros (Table 9-7, tzVlcIndex 1).
        match place {
            0 => out.bits(1, 1),
            1 => out.bits(0b011, 3),
            2 => out.bits(0b010, 3),
            _ => out.bits(0b0010, 4),
        }
    } else {
        // Four coefficients, no trailing ones.
        out.bits(0b00_0000_0111, 10);
        let levels: Vec<i32> = coded.iter().rev().map(|(_, level)| *level).collect();
        put_levels(out, &levels);
        // One zero in all (tzVlcIndex 4), right before the last coefficient (Table 9-10).
        out.bits(0b111, 3);
        out.bits(0, 1);
    }
}

/// Levels from the highest frequency down (§9.2.2.1), fewer than three trailing ones.
fn put_levels(out: &mut BitWriter, levels: &[i32]) {
    let mut suffix_bits = 0u32;
    for (number, level) in levels.iter().enumerate() {
        let mut code = if *level > 0 { 2 * *level as u32 - 2 } else { 2 * level.unsigned_abs() - 1 };
        if number == 0 {
            code -= 2;
        }
        let escape = 15 << suffix_bits.max(1);
        let (prefix, suffix, bits) = match suffix_bits {
            0 if code < 14 => (code, 0, 0),
            0 if code < 30 => (14, code - 14, 4),
            _ if code >= escape => (15, code - escape, 12),
            _ => (code >> suffix_bits, code & ((1 << suffix_bits) - 1), suffix_bits),
        };
        out.bits(1, prefix + 1);
        out.bits(suffix, bits);
        suffix_bits = suffix_bits.max(1);
        if level.unsigned_abs() > 3 << (suffix_bits - 1) {
            suffix_bits += 1;
        }
    }
}
