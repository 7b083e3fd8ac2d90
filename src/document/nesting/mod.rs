//! Pages that nest without end, made flat. The library that reads pages goes through what is open for
//! each element that begins, and down the tree by calling itself: a hundred thousand elements within
//! each other take it minutes, or its stack.
//!
//! What is open is followed as the parser does it; where that is not simple, as more than is open.

mod tag;
#[cfg(test)]
mod tests;

use tag::{end_of, length, named};

/// Elements within each other that stay: browsers have 512, but here each line of a list within lists is
/// indented once more by each of them.
const DEEPEST: usize = 128;

/// They hold nothing.
const EMPTY: &str = "area base br col embed hr img input link meta param source track wbr";
/// They end where the next one begins, and are within each other only with others between.
const ENDING: &str = "body head html option p";
/// Parts of tables end each other, and what is open in them. A `td` stands for all cells.
const PARTS: &str = "colgroup tbody tfoot thead tr";
const CELLS: &str = "caption td th";
/// They end those of their own kind.
const ITEMS: [&str; 2] = ["li", "dd dt"];
/// They end alone: what began in them stays open, and they stay where what they began in ends.
const MARKS: &str = "a b big code em font form i nobr s small strike strong tt u";
/// Their ends reach through everything but walls; those of others not through them.
const BLOCKS: &str = "address article aside blockquote button center dd details dialog dir div dl \
    dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 header hgroup li listing main menu \
    nav ol pre search section summary ul";
const WALLS: &str = "applet marquee object select table td template";
/// What is in them is text.
const RAW: &str = "iframe noembed noframes noscript plaintext script style textarea title xmp";
/// Nobody reads what is in them, which has rules of its own.
const FOREIGN: &str = "math svg";

fn among(names: &str, name: &str) -> bool {
    names.split(' ').any(|other| other == name)
}

/// The page without the tags of elements that are too deep, and without drawings; its text stays.
pub fn flattened(html: &str) -> String {
    follow(html, &mut Open::default())
}

fn follow(html: &str, open: &mut Open) -> String {
    let mut out = String::with_capacity(html.len());
    let mut endless: Vec<String> = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        let (tag, behind) = rest[at..].split_at(length(&rest[at..]));
        rest = behind;
        let (name, ends) = named(tag);
        let (raw, foreign) = (among(RAW, &name), among(FOREIGN, &name));
        if foreign && !ends {
            // Looked for once in vain, its end is nowhere behind.
            if !endless.contains(&name) {
                match end_of(&name, rest) {
                    Some(end) => rest = &rest[end..],
                    None => endless.push(name),
                }
            }
            continue;
        }
        if raw && !ends {
            let end = end_of(&name, rest).unwrap_or(rest.len());
            out.push_str(tag);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        let plain = raw || foreign || among(EMPTY, &name) || among(ENDING, &name);
        let stays = match ends {
            _ if plain || name.is_empty() => true,
            true => open.end(&name),
            false => open.begin(&name),
        };
        if stays {
            out.push_str(tag);
        } else if !among(MARKS, &name) {
            // Words do not run together.
            out.push(' ');
        }
    }
    out + rest
}

struct Element {
    name: String,
    mark: bool,
    block: bool,
    wall: bool,
}

/// The elements that are open.
#[derive(Default)]
struct Open {
    elements: Vec<Element>,
    /// Those whose tags were left out.
    left_out: usize,
}

impl Open {
    /// Whether an element that begins here is left in its place.
    fn begin(&mut self, name: &str) -> bool {
        let cell = among(CELLS, name);
        if cell || among(PARTS, name) {
            if let Some(table) = self.last("table template") {
                self.end_within(table + 1);
                if cell {
                    self.push("td");
                }
            }
            return true;
        }
        if name == "a" {
            self.close("a");
        }
        if let Some(items) = ITEMS.iter().find(|items| among(items, name)) {
            self.end_item(items);
        }
        let room = self.elements.len() < DEEPEST;
        match room {
            true => self.push(name),
            false => self.left_out += 1,
        }
        room
    }

    fn push(&mut self, name: &str) {
        self.elements.push(Element {
            name: name.to_owned(),
            mark: among(MARKS, name),
            block: among(BLOCKS, name),
            wall: among(WALLS, name),
        });
    }

    /// Whether the end of an element is left in its place.
    fn end(&mut self, name: &str) -> bool {
        if among(CELLS, name) || among(PARTS, name) {
            return true;
        }
        if self.left_out > 0 {
            self.left_out -= 1;
            return false;
        }
        self.close(name);
        true
    }

    fn close(&mut self, name: &str) {
        let Some(at) = self.last(name) else {
            return;
        };
        if name == "table" {
            if self.last("template").is_none_or(|wall| wall < at) {
                self.end_within(at + 1);
                self.elements.remove(at);
            }
            return;
        }
        let this = &self.elements[at];
        let (mark, far) = (this.mark, this.mark || this.block || this.wall);
        let item = name == "li";
        let ends_here = |other: &Element| {
            other.wall || !far && other.block || item && among("ol ul", &other.name)
        };
        if self.elements[at + 1..].iter().any(ends_here) {
            return;
        }
        match mark {
            true => drop(self.elements.remove(at)),
            false => self.fall(at),
        }
    }

    /// What is open in a table is over with its part; marks only where they are in a cell.
    fn end_within(&mut self, at: usize) {
        let mut within = self.elements[at..].iter();
        if let Some(cell) = within.position(|element| element.name == "td") {
            self.elements.truncate(at + cell);
        }
        self.fall(at);
    }

    fn end_item(&mut self, items: &str) {
        for at in (0..self.elements.len()).rev() {
            let element = &self.elements[at];
            if among(items, &element.name) {
                return self.fall(at);
            }
            if (element.block || element.wall) && !among("address div", &element.name) {
                return;
            }
        }
    }

    /// From there on only marks stay.
    fn fall(&mut self, at: usize) {
        let above = self.elements.split_off(at);
        let marks = above.into_iter().filter(|element| element.mark);
        self.elements.extend(marks);
    }

    fn last(&self, names: &str) -> Option<usize> {
        let mut all = self.elements.iter();
        all.rposition(|element| among(names, &element.name))
    }
}
