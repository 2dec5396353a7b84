//! From the decoder's planes to a model's input.

mod dice;
mod street;

use criterion::{Criterion, criterion_group, criterion_main};
use patrol_core::{Modality, PictureSize, PixelBox, PixelFormat};
use patrol_vision::card::{ChannelOrder, InputSpec};
use patrol_vision::prepare::Preparer;
use street::{Feed, street};

fn prepare(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("prepare");
    let full_hd = PictureSize::new(1920, 1080);
    let thermal = PictureSize::new(640, 512);
    let (colour, grey) = (InputSpec::plain(416, 416, ChannelOrder::Bgr), InputSpec::plain(640, 512, ChannelOrder::Gray));
    let part = PixelBox::new(700.0, 300.0, 208.0, 208.0);
    let cases = [
        ("1080p I420 to 416×416 colour", &colour, full_hd, PixelFormat::I420, Modality::Visible, None),
        ("1080p NV12 to 416×416 colour", &colour, full_hd, PixelFormat::Nv12, Modality::Visible, None),
        ("208×208 of 1080p I420 to 416×416 colour", &colour, full_hd, PixelFormat::I420, Modality::Visible, Some(part)),
        ("640×512 I420 to 640×512 grey", &grey, thermal, PixelFormat::I420, Modality::Thermal, None),
        ("640×512 16 bit to 640×512 grey", &grey, thermal, PixelFormat::Gray16Le, Modality::Thermal, None),
    ];
    for (name, spec, size, format, modality, crop) in cases {
        let mut feed = Feed::of(street(size, format, 4));
        let mut preparer = Preparer::new(spec);
        let mut tensor = vec![0.0; preparer.tensor_len()];
        group.bench_function(name, |bencher| bencher.iter(|| preparer.fill(&feed.next(), crop.as_ref(), modality, &mut tensor)));
    }
    group.finish();
}

criterion_group!(benches, prepare);
criterion_main!(benches);
