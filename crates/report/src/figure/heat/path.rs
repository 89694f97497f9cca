//! Chosen cells of a heat map, and the line that joins them.

use super::cividis::cividis;
use super::paint::filled;
use crate::figure::plot::{LINE, NAME_SIZE};
use crate::figure::svg::{Anchor, Svg};
use crate::figure::{WIDTH, rect, text};

/// Distance of a frame from the edge of its cell.
const INSET: f64 = 2.0;
/// Width of the key beside the name of a path.
const KEY: f64 = 54.0;

/// Where the cells lie: the first one's corner, and their size.
#[derive(Clone, Copy)]
pub(super) struct Cells {
    pub(super) corner: (f64, f64),
    pub(super) size: (f64, f64),
}

impl Cells {
    /// Corner of a cell (row, column).
    pub(super) fn corner(&self, (row, column): (usize, usize)) -> (f64, f64) {
        (
            self.corner.0 + column as f64 * self.size.0,
            self.corner.1 + row as f64 * self.size.1,
        )
    }

    /// Frames the cells, white within black, which stands out from any colour.
    pub(super) fn frame(&self, svg: &mut Svg, cells: &[(usize, usize)]) {
        let size = (self.size.0 - 2.0 * INSET, self.size.1 - 2.0 * INSET);
        for class in ["path-edge", "path"] {
            for &cell in cells {
                let (x, y) = self.corner(cell);
                rect(svg, class, (x + INSET, y + INSET), size);
            }
        }
    }

    /// Joins each cell with the next, from frame to frame, so that no line runs
    /// through a chosen cell.
    pub(super) fn join(&self, svg: &mut Svg, cells: &[(usize, usize)]) {
        let links: Vec<_> = cells
            .windows(2)
            .map(|w| (self.leave(w[0], w[1]), self.leave(w[1], w[0])))
            .collect();
        for class in ["path-edge", "path"] {
            for &(from, to) in &links {
                svg.line(class, from, to);
            }
        }
    }

    /// The point of a cell's frame that lies towards another cell.
    fn leave(&self, cell: (usize, usize), other: (usize, usize)) -> (f64, f64) {
        let place = |from: usize, to: usize, length: f64| match from.cmp(&to) {
            std::cmp::Ordering::Less => length - INSET,
            std::cmp::Ordering::Equal => length / 2.0,
            std::cmp::Ordering::Greater => INSET,
        };
        let (x, y) = self.corner(cell);
        (
            x + place(cell.1, other.1, self.size.0),
            y + place(cell.0, other.0, self.size.1),
        )
    }
}

/// Whether the key of a path fits beside a title that ends at `used`.
pub(super) fn fits(name: &str, used: f64) -> bool {
    used + 24.0 + KEY + 6.0 + text::width(name, NAME_SIZE) + 10.0 <= WIDTH
}

/// The key of a path at the right edge of the line below `top`.
pub(super) fn key(svg: &mut Svg, name: &str, top: f64) {
    let name = text::fit(name, NAME_SIZE, WIDTH - KEY - 30.0);
    let x = WIDTH - 10.0 - text::width(&name, NAME_SIZE);
    // Two cells out of a map, with one between them.
    let cells = Cells {
        corner: (x - KEY - 6.0, top + 1.0),
        size: (KEY / 3.0, 17.0),
    };
    let ends = [(0, 0), (0, 2)];
    for end in ends {
        filled(svg, cells.corner(end), cells.size, cividis(0.3));
    }
    cells.join(svg, &ends);
    cells.frame(svg, &ends);
    svg.label(x, top + LINE - 5.0, "name", Anchor::Start, &name);
}
