//! Every order in which the jobs of two recordings can come to the writer, of one program or of two,
//! and behind each job what somebody finds who opens the folder then, as after a crash.

use super::*;

const TWO: usize = 2;

fn identity() -> Identity {
    let page = Page::<f32>::len(DIM);
    Identity {
        fingerprint: [5; 32],
        layout: Layout::new([Part::Pages(HEADS, page); TWO]),
    }
}

fn open(root: &Path) -> Archive {
    Archive::on_disk(root, identity(), LIMIT).unwrap()
}

/// How much of `ids` is there, all of it as it was written.
fn there(archive: &Archive, ids: &[u32]) -> usize {
    let past = archive.find(ids);
    for layer in 0..TWO {
        for (head, pages) in past.pages(layer).unwrap().iter().enumerate() {
            for position in (0..past.len()).step_by(7) {
                let page = Page::<f32>::of(pages[position / PAGE].clone());
                let x = number(layer, head, position, ids[position]);
                assert_eq!(page.keys()[position % PAGE], x);
            }
        }
    }
    past.len()
}

/// A recording on its way: it is begun, gets its layers and ends.
struct Actor<'a> {
    archive: &'a Archive,
    ids: &'a [u32],
    commits: bool,
    recording: Option<Recording<'a>>,
    step: usize,
}

const STEPS: usize = TWO + 2;

impl Actor<'_> {
    fn step(&mut self) {
        match self.step {
            0 => self.recording = Some(self.archive.record(self.ids, 0, &[])),
            layer @ 1..=TWO => {
                let pages = pages(self.ids, 0, layer - 1);
                let recording = self.recording.as_mut().unwrap();
                recording.layer(layer - 1, pages);
            }
            _ => {
                let recording = self.recording.take().unwrap();
                if self.commits {
                    recording.commit();
                }
            }
        }
        self.step += 1;
        self.archive.settle(Duration::from_secs(60));
    }

    fn is_there(&self) -> bool {
        self.commits && self.step == STEPS
    }
}

/// All orders of so many steps of one and of the other: whose each is.
fn merges(one: usize, other: usize) -> Vec<Vec<bool>> {
    if one + other == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (who, left) in [(false, one), (true, other)] {
        if left > 0 {
            let rest = match who {
                false => merges(one - 1, other),
                true => merges(one, other - 1),
            };
            all.extend(rest.into_iter().map(|rest| [vec![who], rest].concat()));
        }
    }
    all
}

#[test]
fn in_every_order_whole_segments_are_there_and_nothing_else() {
    let talk = tokens(70, 1);
    let mut branch = talk.clone();
    branch[66] += 1;
    let mut orders = 0;
    for order in merges(STEPS, STEPS) {
        for case in 0..16 {
            let bit = |n: u32| case >> n & 1 == 1;
            let folder = tempfile::tempdir().unwrap();
            let (first, second) = (open(folder.path()), open(folder.path()));
            let actor = |archive, ids, commits| Actor {
                archive,
                ids,
                commits,
                recording: None,
                step: 0,
            };
            let (same, common) = (bit(2), if bit(2) { 70 } else { 66 });
            let mut actors = [
                actor(&first, &talk, bit(0)),
                actor(
                    if bit(3) { &second } else { &first },
                    if same { &talk } else { &branch },
                    bit(1),
                ),
            ];
            for who in &order {
                actors[usize::from(*who)].step();
                let [one, other] = [actors[0].is_there(), actors[1].is_there()];
                let expected = |own, others| match (own, others) {
                    (true, _) => 70,
                    (false, true) => common,
                    (false, false) => 0,
                };
                // Another process, or the next one after a crash.
                let fresh = open(folder.path());
                assert_eq!(there(&fresh, actors[0].ids), expected(one, other));
                assert_eq!(there(&fresh, actors[1].ids), expected(other, one));
            }
            let whole = match (bit(0), bit(1)) {
                (true, true) if !same => 2,
                (false, false) => 0,
                _ => 1,
            };
            assert_eq!(files(folder.path()).len(), whole, "{order:?}, {case}");
            for archive in [&first, &second] {
                assert_eq!(archive.trouble(), None);
                archive.most_waiting();
                assert_eq!(archive.most_waiting(), 0, "everything is given back");
            }
            orders += 1;
        }
    }
    println!("{orders} orders");
}

/// Somebody frees the archive behind any job: what is being written is not his, what is held can still
/// be read.
#[test]
fn in_every_order_an_archive_can_be_freed() {
    let (old, talk) = (tokens(70, 2), tokens(70, 1));
    for order in merges(STEPS, 1) {
        let folder = tempfile::tempdir().unwrap();
        let archive = open(folder.path());
        let mut before = archive.record(&old, 0, &[]);
        (0..TWO).for_each(|layer| before.layer(layer, pages(&old, 0, layer)));
        before.commit();
        let held = archive.find(&old);
        let mut actor = Actor {
            archive: &archive,
            ids: &talk,
            commits: true,
            recording: None,
            step: 0,
        };
        let mut freed_it = false;
        for who in order {
            match who {
                false => actor.step(),
                true => {
                    freed_it = actor.is_there();
                    assert!(free(folder.path()) > 0);
                    assert_eq!(there(&open(folder.path()), &old), 0);
                }
            }
        }
        assert_eq!(
            there(&open(folder.path()), &talk),
            if freed_it { 0 } else { 70 }
        );
        assert!((0..TWO).all(|layer| held.pages(layer).is_ok()) && held.is_whole());
        assert_eq!(archive.trouble(), None);
    }
}
