//! Engine families against human sources, one cell a pair.

use super::canvas::{Anchor, picture};
use super::ink::Ink;
use super::shortened;
use crate::training::figures::Grid;

/// Width and height of a cell.
const CELL: (f64, f64) = (27.0, 19.0);
/// Room for the names of families and for those of sources.
const LEFT: f64 = 166.0;
const TOP: f64 = 128.0;
/// Between the mean of a row and its cells.
const GAP: f64 = 6.0;

/// The map; each row begins with its mean.
pub(super) fn heat_map(grid: &Grid) -> String {
    let (rows, columns) = (grid.families.len() as f64, grid.sources.len() as f64);
    let size = (
        LEFT + CELL.0 + GAP + columns * CELL.0 + 8.0,
        TOP + rows * CELL.1 + 6.0,
    );
    let label = "EER of each engine family against each human source";
    picture(size.0, size.1, label, |canvas| {
        let cell = |x: f64, y: f64, eer: f64| {
            let ink = Ink::heat(eer);
            let corner = (x + 0.5, y + 0.5);
            canvas.rectangle(corner, (x + CELL.0 - 0.5, y + CELL.1 - 0.5), ink);
            let middle = (x + CELL.0 / 2.0, y + CELL.1 / 2.0);
            let number = format!("{:.0}", eer * 100.0);
            canvas.text(middle, &number, 10.0, Ink::on_heat(ink), Anchor::Middle);
        };
        let first = LEFT + CELL.0 + GAP;
        let head = |x: f64, name: &str, ink: Ink| {
            let at = (x + CELL.0 / 2.0, TOP - 6.0);
            canvas.upward(at, &shortened(name, 20), 11.0, ink, Anchor::Right);
        };
        head(LEFT, "mean", Ink::Text);
        for (column, source) in grid.sources.iter().enumerate() {
            head(first + column as f64 * CELL.0, source, Ink::Muted);
        }
        for (row, family) in grid.families.iter().enumerate() {
            let y = TOP + row as f64 * CELL.1;
            let at = (LEFT - 6.0, y + CELL.1 / 2.0);
            canvas.text(at, &shortened(family, 23), 11.0, Ink::Text, Anchor::Left);
            cell(LEFT, y, grid.mean[row]);
            for (column, eer) in grid.eer[row].iter().enumerate() {
                if let Some(eer) = eer {
                    cell(first + column as f64 * CELL.0, y, *eer);
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_that_was_scored_is_a_cell() {
        let grid = Grid {
            families: vec!["worst".into(), "best".into()],
            sources: vec!["vctk".into(), "a-name-that-is-longer-than-the-room".into()],
            eer: vec![vec![Some(0.47), Some(0.31)], vec![None, Some(0.02)]],
            mean: vec![0.39, 0.02],
        };
        let svg = heat_map(&grid);
        // Two means and three cells.
        assert_eq!(svg.matches("<rect").count(), 5, "{svg}");
        for text in [
            "worst",
            "best",
            "vctk",
            "47",
            "31",
            "39",
            "a-name-that-is-long…",
        ] {
            assert!(svg.contains(&format!(">\n{text}\n<")), "{text}: {svg}");
        }
    }
}
