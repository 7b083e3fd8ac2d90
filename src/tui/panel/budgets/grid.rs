//! Where the cells of the heat map lie: which way round, how wide, what is scrolled out of view.

use ratatui::layout::Rect;

/// Two units in one terminal cell, where colours can tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    None,
    /// `▀`: one above the other.
    Rows,
    /// `▌`: side by side.
    Columns,
}

/// A map of layers × KV heads in an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// The cells of the map alone, labels excluded.
    pub area: Rect,
    /// Layers run to the right and heads down; else heads run to the right and layers down, the
    /// last layer on top.
    pub sideways: bool,
    pub split: Split,
    /// Terminal cells of a unit (1 in a split direction).
    pub width: u16,
    pub height: u16,
    layers: usize,
    heads: usize,
    /// First unit in view.
    from: (usize, usize),
}

const WIDEST: u16 = 12;
const TALLEST: u16 = 5;

fn digits(n: usize) -> u16 {
    n.to_string().len() as u16
}

impl Grid {
    /// The best way to lay `layers × heads` out in `room`; `colours` allow two units a cell, and
    /// what does not fit is scrolled so that `cursor` (layer, head) is seen.
    pub fn fit(
        layers: usize,
        heads: usize,
        room: Rect,
        colours: bool,
        cursor: (usize, usize),
    ) -> Option<Grid> {
        if layers == 0 || heads == 0 || room.width == 0 || room.height == 0 {
            return None;
        }
        let upright = |split| Grid::new(layers, heads, room, false, split);
        let sideways = |split| Grid::new(layers, heads, room, true, split);
        let mut ways = vec![upright(Split::None)];
        if colours {
            ways.push(upright(Split::Rows));
        }
        ways.push(sideways(Split::None));
        if colours {
            ways.push(sideways(Split::Columns));
            ways.push(sideways(Split::Rows));
        }
        let fits = |g: &&Grid| g.seen() == layers * heads;
        let mut grid = *ways
            .iter()
            .find(fits)
            .or_else(|| ways.iter().rev().max_by_key(|g| g.seen()))?;
        grid.scroll(cursor);
        Some(grid)
    }

    fn new(layers: usize, heads: usize, room: Rect, sideways: bool, split: Split) -> Grid {
        // Labels: layer numbers at the left; sideways, `h3` at the left.
        let label = match sideways {
            false => digits(layers - 1) + 1,
            true => digits(heads - 1) + 2,
        };
        let label = if room.width >= label + 4 { label } else { 0 };
        let mut area = Rect {
            x: room.x + label,
            width: room.width - label,
            ..room
        };
        let (across, down) = if sideways {
            (layers, heads)
        } else {
            (heads, layers)
        };
        let each = |room: u16, units: usize, most: u16, split: bool| match split {
            true => 1,
            false => (usize::from(room) / units).clamp(1, usize::from(most)) as u16,
        };
        let width = each(area.width, across, WIDEST, split == Split::Columns);
        let height = match sideways {
            // A line below stays free for the layers' numbers where there is one.
            true => {
                let rows = area.height.saturating_sub(1).max(1);
                each(rows, down, TALLEST, split == Split::Rows)
            }
            false => 1,
        };
        let cells = |units: usize, each: u16, split: bool, room: u16| {
            let cells = if split {
                units.div_ceil(2)
            } else {
                units * usize::from(each)
            };
            cells.min(usize::from(room / each * each)) as u16
        };
        area.width = cells(across, width, split == Split::Columns, area.width);
        area.height = cells(down, height, split == Split::Rows, area.height);
        Grid {
            area,
            sideways,
            split,
            width,
            height,
            layers,
            heads,
            from: (0, 0),
        }
    }

    fn units(&self) -> (usize, usize) {
        if self.sideways {
            (self.layers, self.heads)
        } else {
            (self.heads, self.layers)
        }
    }

    /// Units that the area holds, across and down.
    fn room(&self) -> (usize, usize) {
        let (w, h) = (usize::from(self.area.width), usize::from(self.area.height));
        let two = |split| if self.split == split { 2 } else { 1 };
        (
            w / usize::from(self.width) * two(Split::Columns),
            h / usize::from(self.height) * two(Split::Rows),
        )
    }

    fn seen(&self) -> usize {
        let ((w, h), (across, down)) = (self.room(), self.units());
        w.min(across) * h.min(down)
    }

    /// Everything is in view.
    pub fn whole(&self) -> bool {
        self.seen() == self.layers * self.heads
    }

    fn scroll(&mut self, (layer, head): (usize, usize)) {
        let (x, y) = match self.sideways {
            true => (layer, head),
            false => (head, self.layers.saturating_sub(layer + 1)),
        };
        let ((w, h), (across, down)) = (self.room(), self.units());
        let from = |at: usize, room: usize, units: usize| {
            at.saturating_sub(room / 2).min(units.saturating_sub(room))
        };
        self.from = (from(x, w, across), from(y, h, down));
    }

    /// Layer and head at a cell of the terminal; `second` for the lower or right half.
    pub fn at(&self, x: u16, y: u16, second: bool) -> Option<(usize, usize)> {
        let inside =
            x >= self.area.x && y >= self.area.y && x < self.area.right() && y < self.area.bottom();
        if !inside {
            return None;
        }
        let (dx, dy) = (usize::from(x - self.area.x), usize::from(y - self.area.y));
        let half = usize::from(second && self.split != Split::None);
        let (ux, uy) = match self.split {
            Split::None => (dx / usize::from(self.width), dy / usize::from(self.height)),
            Split::Rows => (dx / usize::from(self.width), 2 * dy + half),
            Split::Columns => (2 * dx + half, dy / usize::from(self.height)),
        };
        let (ux, uy) = (ux + self.from.0, uy + self.from.1);
        let (across, down) = self.units();
        (ux < across && uy < down).then(|| match self.sideways {
            true => (ux, uy),
            false => (self.layers - 1 - uy, ux),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fit(layers: usize, heads: usize, w: u16, h: u16, colours: bool) -> Grid {
        Grid::fit(layers, heads, Rect::new(0, 0, w, h), colours, (0, 0)).expect("room")
    }

    #[test]
    fn thirty_two_layers_fit_into_sixteen_lines() {
        let grid = fit(32, 8, 30, 16, true);
        assert!(grid.whole() && !grid.sideways && grid.split == Split::Rows);
        // Three heads take wider cells; with enough lines every layer has its own.
        let grid = fit(30, 3, 30, 34, true);
        assert!(grid.whole() && grid.split == Split::None && grid.width == 9);
        // A low panel lies on its side.
        let grid = fit(30, 3, 28, 5, true);
        assert!(grid.whole() && grid.sideways, "{grid:?}");
        let grid = fit(30, 3, 40, 5, false);
        assert!(grid.whole() && grid.sideways && grid.split == Split::None);
    }

    proptest! {
        #[test]
        fn every_head_is_found_once_and_the_cursor_is_seen(
            layers in 1usize..90, heads in 1usize..70, w in 1u16..120, h in 1u16..60,
            colours: bool, at in (0usize..90, 0usize..70),
        ) {
            let cursor = (at.0 % layers, at.1 % heads);
            let room = Rect::new(3, 2, w, h);
            let grid = Grid::fit(layers, heads, room, colours, cursor).unwrap();
            prop_assert_eq!(grid.area.intersection(room), grid.area);
            let mut found = std::collections::HashSet::new();
            for y in room.top()..room.bottom() {
                for x in room.left()..room.right() {
                    found.extend(grid.at(x, y, false));
                    found.extend(grid.at(x, y, true));
                }
            }
            prop_assert!(found.contains(&cursor));
            prop_assert_eq!(found.len() == layers * heads, grid.whole());
        }
    }
}
