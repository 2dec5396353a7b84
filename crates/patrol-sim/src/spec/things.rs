//! People, animals and things of a SPEC file.

use crate::geometry::V2;
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonSpec {
    #[serde(default)]
    pub(crate) id: Option<String>,
    #[serde(default)]
    pub(crate) at_s: f64,
    pub(crate) from: V2,
    #[serde(default)]
    pub(crate) height_m: Option<f32>,
    #[serde(default)]
    pub(crate) clothing_k: Option<f32>,
    pub(crate) steps: Vec<StepSpec>,
}

/// What lies over a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Cover {
    /// A padded quilt: a little warmer than the ground where the body is, warm where it gapes. The head may look out.
    Quilt,
    /// A rescue blanket: a mirror of the cold sky.
    Foil,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum StepSpec {
    Walk {
        to: V2,
        #[serde(default)]
        speed_m_s: Option<f32>,
    },
    Stand {
        #[serde(default)]
        for_s: Option<f64>,
        #[serde(default)]
        facing_deg: Option<f32>,
    },
    /// To the ground: a shoe is tied, something is picked up.
    Bend {
        #[serde(default)]
        for_s: Option<f64>,
        #[serde(default)]
        facing_deg: Option<f32>,
    },
    /// On the heels, hands at work: sweeping, repairing.
    Crouch {
        #[serde(default)]
        for_s: Option<f64>,
        #[serde(default)]
        facing_deg: Option<f32>,
    },
    Sit {
        #[serde(default)]
        for_s: Option<f64>,
        #[serde(default)]
        facing_deg: Option<f32>,
        #[serde(default)]
        bench: bool,
    },
    Slump {
        #[serde(default)]
        for_s: Option<f64>,
        #[serde(default)]
        facing_deg: Option<f32>,
        #[serde(default)]
        bench: bool,
    },
    Lie {
        #[serde(default)]
        for_s: Option<f64>,
        #[serde(default)]
        facing_deg: Option<f32>,
        #[serde(default)]
        cover: Option<Cover>,
    },
    Curl {
        #[serde(default)]
        for_s: Option<f64>,
        #[serde(default)]
        facing_deg: Option<f32>,
        #[serde(default)]
        cover: Option<Cover>,
    },
}

/// What stands about. Cars with a path drive, dogs follow their steps, steam drifts; everything else is still.
#[derive(Debug, Clone, Default)]
pub(crate) struct Props {
    pub(crate) cars: Vec<CarSpec>,
    pub(crate) lamps: Vec<LampSpec>,
    pub(crate) walls: Vec<WallSpec>,
    pub(crate) blocks: Vec<BlockSpec>,
    pub(crate) strips: Vec<StripSpec>,
    pub(crate) manholes: Vec<ManholeSpec>,
    pub(crate) doorways: Vec<DoorwaySpec>,
    pub(crate) benches: Vec<BenchSpec>,
    pub(crate) steam: Vec<SteamSpec>,
    pub(crate) mannequins: Vec<MannequinSpec>,
    pub(crate) dogs: Vec<DogSpec>,
}

impl Props {
    pub(crate) fn append(&mut self, mut other: Self) {
        self.cars.append(&mut other.cars);
        self.lamps.append(&mut other.lamps);
        self.walls.append(&mut other.walls);
        self.blocks.append(&mut other.blocks);
        self.strips.append(&mut other.strips);
        self.manholes.append(&mut other.manholes);
        self.doorways.append(&mut other.doorways);
        self.benches.append(&mut other.benches);
        self.steam.append(&mut other.steam);
        self.mannequins.append(&mut other.mannequins);
        self.dogs.append(&mut other.dogs);
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CarSpec {
    /// Where it is parked; not used when it drives.
    #[serde(default = "nowhere")]
    pub(crate) at: V2,
    #[serde(default)]
    pub(crate) heading_deg: f32,
    #[serde(default)]
    pub(crate) bonnet_k: Option<f32>,
    #[serde(default)]
    pub(crate) path: Vec<V2>,
    #[serde(default)]
    pub(crate) at_s: f64,
    #[serde(default = "eight")]
    pub(crate) speed_m_s: f32,
    /// Drives with its lights on and with warm wheels, grille and head lamps.
    #[serde(default)]
    pub(crate) headlights: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LampSpec {
    pub(crate) at: V2,
    pub(crate) height_m: f32,
    /// A failing lamp goes out and strikes again: it may do so this often, seconds.
    #[serde(default)]
    pub(crate) flicker_every_s: Option<f64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WallSpec {
    pub(crate) from: V2,
    pub(crate) to: V2,
    pub(crate) height_m: f32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlockSpec {
    pub(crate) at: V2,
    #[serde(default)]
    pub(crate) heading_deg: f32,
    pub(crate) size: [f32; 3],
    #[serde(default)]
    pub(crate) warm_k: f32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StripSpec {
    pub(crate) from: V2,
    pub(crate) to: V2,
    pub(crate) width_m: f32,
    pub(crate) warm_k: f32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ManholeSpec {
    pub(crate) at: V2,
    pub(crate) warm_k: f32,
}

/// A porch before a wall: two jambs, a lintel, and a door that leaks warmth into the recess.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DoorwaySpec {
    /// Middle of the sill.
    pub(crate) at: V2,
    /// Where someone looks who stands in it and looks out.
    pub(crate) facing_deg: f32,
    #[serde(default = "porch_width")]
    pub(crate) width_m: f32,
    #[serde(default = "porch_depth")]
    pub(crate) depth_m: f32,
    #[serde(default = "porch_warmth")]
    pub(crate) warm_k: f32,
}

/// A bench; with `shelter`, a bus stop: back wall and roof.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BenchSpec {
    pub(crate) at: V2,
    pub(crate) facing_deg: f32,
    #[serde(default)]
    pub(crate) shelter: bool,
}

/// Steam out of a cover or a vent: soft puffs that rise, drift with the wind and cool.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SteamSpec {
    pub(crate) at: V2,
    /// At the vent.
    pub(crate) warm_k: f32,
    /// How high it can be seen.
    #[serde(default = "plume_height")]
    pub(crate) height_m: f32,
}

/// A figure of a shop: a person's shape at one temperature, and it never moves.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MannequinSpec {
    /// It is carried in then, and is not there before.
    #[serde(default)]
    pub(crate) at_s: f64,
    pub(crate) at: V2,
    #[serde(default)]
    pub(crate) facing_deg: f32,
    #[serde(default)]
    pub(crate) warm_k: f32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DogSpec {
    #[serde(default)]
    pub(crate) at_s: f64,
    pub(crate) from: V2,
    /// Nose to rump.
    #[serde(default = "dog_length")]
    pub(crate) length_m: f32,
    /// Of the fur; muzzle, belly and eyes are warmer.
    #[serde(default = "fur")]
    pub(crate) warm_k: f32,
    /// walk, stand, sit, lie, curl.
    pub(crate) steps: Vec<StepSpec>,
}

fn eight() -> f32 {
    8.0
}
fn nowhere() -> V2 {
    V2::new(0.0, 0.0)
}
fn porch_width() -> f32 {
    1.5
}
fn porch_depth() -> f32 {
    0.95
}
fn porch_warmth() -> f32 {
    2.0
}
fn plume_height() -> f32 {
    2.4
}
fn dog_length() -> f32 {
    0.8
}
fn fur() -> f32 {
    3.5
}
