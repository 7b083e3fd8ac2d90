//! Where the window on the conversation stands: at the bottom it follows, elsewhere it stays.

/// Lines from the top, kept in place while text grows below or lines are wrapped anew.
#[derive(Clone, Debug)]
pub struct Scroll {
    follow: bool,
    top: usize,
    total: usize,
    height: usize,
    /// Total when the reader left the bottom.
    seen: usize,
}

impl Default for Scroll {
    fn default() -> Self {
        Scroll {
            follow: true,
            top: 0,
            total: 0,
            height: 0,
            seen: 0,
        }
    }
}

/// The entry and share of it that stood at the window's top.
pub type Anchor = Option<(usize, usize, usize)>;

impl Scroll {
    pub fn top(&self) -> usize {
        self.top
    }

    pub fn height(&self) -> usize {
        self.height
    }

    pub fn following(&self) -> bool {
        self.follow
    }

    /// Lines below the window.
    pub fn below(&self) -> usize {
        self.total.saturating_sub(self.top + self.height)
    }

    /// Something came while the reader was elsewhere.
    pub fn unseen(&self) -> bool {
        !self.follow && self.total > self.seen
    }

    /// Share of the conversation above the window's top and the window's share, for a scroll bar.
    pub fn thumb(&self) -> Option<(f64, f64)> {
        (self.total > self.height).then(|| {
            let total = self.total as f64;
            (self.top as f64 / total, self.height as f64 / total)
        })
    }

    fn last_top(&self) -> usize {
        self.total.saturating_sub(self.height)
    }

    pub fn by(&mut self, lines: isize) {
        let was_following = self.follow;
        self.top = self.top.saturating_add_signed(lines).min(self.last_top());
        self.follow = self.top == self.last_top();
        if was_following && !self.follow {
            self.seen = self.total;
        }
    }

    /// Brings a line into view, in the middle where it was not.
    pub fn show(&mut self, line: usize) {
        if line < self.top || line >= self.top + self.height {
            let top = line.saturating_sub(self.height / 2);
            self.by(top as isize - self.top as isize);
        }
    }

    pub fn page(&mut self, pages: isize) {
        let step = self.height.saturating_sub(2).max(1) as isize;
        self.by(pages * step);
    }

    pub fn to_top(&mut self) {
        self.by(-(self.total as isize));
    }

    pub fn to_bottom(&mut self) {
        self.follow = true;
        self.top = self.last_top();
    }

    /// Remembers what stands at the top before a new layout.
    pub fn anchor(&self, heights: impl Iterator<Item = usize>) -> Anchor {
        let mut at = 0;
        for (i, h) in heights.enumerate() {
            if self.top < at + h {
                return Some((i, self.top - at, h));
            }
            at += h;
        }
        None
    }

    /// Takes a new layout in.
    pub fn laid_out(
        &mut self,
        heights: impl Iterator<Item = usize>,
        height: usize,
        anchor: Anchor,
    ) {
        let heights: Vec<usize> = heights.collect();
        let before = self.total;
        self.total = heights.iter().sum();
        self.height = height;
        if self.follow {
            self.top = self.last_top();
            return;
        }
        if let Some((entry, line, of)) = anchor
            && let Some(&now) = heights.get(entry)
        {
            let start: usize = heights[..entry].iter().sum();
            // Text that grew keeps its line; text wrapped anew keeps its share.
            let last = entry + 1 == heights.len();
            let line = if now == of || (last && now > of) {
                line
            } else {
                line * now / of.max(1)
            };
            self.top = start + line;
        }
        if self.total < before {
            self.seen = self.seen.min(self.total);
        }
        self.top = self.top.min(self.last_top());
        self.follow = self.top == self.last_top();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_only_at_the_bottom() {
        let mut s = Scroll::default();
        let lay = |s: &mut Scroll, heights: &[usize]| {
            let anchor = s.anchor(heights.iter().copied());
            s.laid_out(heights.iter().copied(), 10, anchor);
        };
        lay(&mut s, &[20, 5]);
        assert_eq!((s.top(), s.following()), (15, true));
        s.by(-5);
        lay(&mut s, &[20, 5, 4]);
        assert_eq!((s.top(), s.unseen(), s.below()), (10, true, 9));
        s.page(1);
        s.page(1);
        assert!(s.following() && !s.unseen());
        lay(&mut s, &[20, 5, 8]);
        assert_eq!(s.top(), 23);
    }

    #[test]
    fn keeps_its_place_when_wrapped_anew() {
        let mut s = Scroll::default();
        s.laid_out([10, 40, 10].into_iter(), 10, None);
        s.by(-30); // top = 20: ten lines into the second entry
        let anchor = s.anchor([10, 40, 10].into_iter());
        s.laid_out([20, 80, 20].into_iter(), 10, anchor);
        assert_eq!(s.top(), 40);
    }
}
