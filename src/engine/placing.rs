//! Where a model runs when nobody says: on the GPU where it fits and answers faster than on the CPU. Both are measured
//! once for a model and remembered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Models that are remembered; beyond it those that were measured longest ago go.
const MODELS: usize = 200;

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Gpu,
    Cpu,
}

/// Tokens that were decoded in a second; `None` where the model did not run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Speeds {
    pub gpu: Option<f64>,
    pub cpu: Option<f64>,
}

/// What was taken, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub place: Place,
    pub why: String,
    /// Whether it was measured for it just now.
    pub measured: bool,
}

/// Whether a model has room on each, or why not.
pub struct Room {
    pub gpu: Result<(), String>,
    pub cpu: Result<(), String>,
}

/// Chooses; `known` are the speeds that are remembered, and `measure` runs the model on one of the two. What was
/// measured is left in `known`.
pub fn choose(
    room: Room,
    known: &mut Option<Speeds>,
    measure: &mut dyn FnMut(Place) -> Result<f64, String>,
) -> Taken {
    let taken = |place, why| Taken {
        place,
        why,
        measured: false,
    };
    if let Err(why) = room.gpu {
        return taken(Place::Cpu, format!("the GPU has no room for it: {why}"));
    }
    if let Err(why) = room.cpu {
        return taken(Place::Gpu, format!("the CPU has no room for it: {why}"));
    }
    let measured = known.is_none();
    let mut errors = String::new();
    let speeds = *known.get_or_insert_with(|| {
        let mut speed = |place| {
            let speed = measure(place);
            speed
                .map_err(|why| errors = why)
                .ok()
                .filter(|speed| speed.is_finite() && *speed > 0.0)
        };
        Speeds {
            gpu: speed(Place::Gpu),
            cpu: speed(Place::Cpu),
        }
    });
    let (place, why) = match (speeds.gpu, speeds.cpu) {
        (Some(gpu), Some(cpu)) => {
            let place = if gpu >= cpu { Place::Gpu } else { Place::Cpu };
            let why = format!("the GPU decodes {gpu:.0} tokens/s of this model, the CPU {cpu:.0}");
            (place, why)
        }
        (Some(_), None) => (
            Place::Gpu,
            format!("it did not run on the CPU{}", behind(&errors)),
        ),
        (None, _) => (
            Place::Cpu,
            format!("it did not run on the GPU{}", behind(&errors)),
        ),
    };
    if speeds.gpu.is_none() || speeds.cpu.is_none() {
        // That may have been for now.
        *known = None;
    }
    Taken {
        place,
        why,
        measured,
    }
}

fn behind(error: &str) -> String {
    match error {
        "" => String::new(),
        error => format!(": {error}"),
    }
}

/// Speeds by what they hang on, in a file. Without it they are measured again.
pub struct Memory {
    path: PathBuf,
}

/// A model's speeds, and when they were measured among the others.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Row {
    turn: u64,
    #[serde(flatten)]
    speeds: Speeds,
}

impl Memory {
    /// In the folder for what programs remember.
    pub fn of(state: &Path) -> Memory {
        Memory {
            path: state.join("speeds.json"),
        }
    }

    fn rows(&self) -> BTreeMap<String, Row> {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// `key` names the model, the devices and how it runs.
    pub fn get(&self, key: &str) -> Option<Speeds> {
        self.rows().get(key).map(|row| row.speeds)
    }

    /// # Errors
    /// What the system says; then it is measured again the next time.
    pub fn put(&self, key: &str, speeds: Speeds) -> std::io::Result<()> {
        let mut rows = self.rows();
        let turn = rows.values().map(|row| row.turn).max().unwrap_or(0) + 1;
        rows.insert(key.to_owned(), Row { turn, speeds });
        while rows.len() > MODELS {
            let oldest = rows.iter().min_by_key(|(_, row)| row.turn);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else {
                break;
            };
            rows.remove(&oldest);
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let text = serde_json::to_string_pretty(&rows)?;
        // Whole or not at all, whoever else writes it.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        std::io::Write::write_all(&mut file, text.as_bytes())?;
        file.persist(&self.path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room {
        gpu: Ok(()),
        cpu: Ok(()),
    };

    /// A machine whose devices are as fast as is said.
    fn measured(gpu: Result<f64, &str>, cpu: Result<f64, &str>) -> (Taken, Option<Speeds>) {
        let mut known = None;
        let taken = choose(ROOM, &mut known, &mut |place| {
            match place {
                Place::Gpu => gpu,
                Place::Cpu => cpu,
            }
            .map_err(str::to_owned)
        });
        (taken, known)
    }

    #[test]
    fn the_faster_one_is_taken_and_both_speeds_are_said() {
        let (taken, known) = measured(Ok(880.0), Ok(170.4));
        assert_eq!(taken.place, Place::Gpu);
        assert_eq!(
            taken.why,
            "the GPU decodes 880 tokens/s of this model, the CPU 170"
        );
        assert!(taken.measured && known.is_some());
        let (taken, _) = measured(Ok(55.0), Ok(170.0));
        assert_eq!(taken.place, Place::Cpu);
        // The second time nothing is measured.
        let mut again = known;
        let taken = choose(ROOM, &mut again, &mut |_| panic!("it is known"));
        assert_eq!((taken.place, taken.measured), (Place::Gpu, false));
    }

    #[test]
    fn what_has_no_room_or_does_not_run_is_not_taken() {
        let full = |place: Place| {
            let no = || Err("9 GiB are needed, 8 GiB are free".to_owned());
            let room = match place {
                Place::Gpu => Room { gpu: no(), ..ROOM },
                Place::Cpu => Room { cpu: no(), ..ROOM },
            };
            choose(room, &mut None, &mut |_| panic!("nothing is measured"))
        };
        let taken = full(Place::Gpu);
        assert_eq!(taken.place, Place::Cpu);
        assert!(taken.why.contains("no room for it: 9 GiB"), "{}", taken.why);
        assert_eq!(full(Place::Cpu).place, Place::Gpu);
        let (taken, known) = measured(Err("the driver is too old"), Ok(3.0));
        assert_eq!((taken.place, known), (Place::Cpu, None));
        assert!(taken.why.contains("driver is too old"), "{}", taken.why);
        let (taken, known) = measured(Ok(3.0), Err("stopped"));
        assert_eq!((taken.place, known), (Place::Gpu, None));
        assert_eq!(measured(Ok(f64::NAN), Ok(1.0)).0.place, Place::Cpu);
    }

    #[test]
    fn speeds_are_remembered_and_the_oldest_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let memory = Memory::of(&state);
        assert_eq!(memory.get("a"), None);
        let speeds = Speeds {
            gpu: Some(2.5),
            cpu: Some(1.0),
        };
        for i in 0..MODELS + 3 {
            memory.put(&i.to_string(), speeds).unwrap();
        }
        let memory = Memory::of(&state);
        assert_eq!(memory.get("2"), None);
        assert_eq!(memory.get("3"), Some(speeds));
        // What is no list of speeds is as if there were none.
        std::fs::write(state.join("speeds.json"), "[1").unwrap();
        assert_eq!(memory.get("3"), None);
        memory.put("3", speeds).unwrap();
        assert_eq!(memory.get("3"), Some(speeds));
    }
}
