//! A picture as SVG text, drawn by plotters: a canvas in CSS pixels, and axes on it.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::escape;
use super::ink::Ink;

/// The backend knows whole units alone: there are this many in a CSS pixel.
const UNITS: f64 = 8.0;
/// What the backend divides a font's size by before it writes it.
const FONT_SCALE: f64 = 1.24;

/// A picture in the making. Coordinates are in CSS pixels, from the upper left.
pub(super) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
}

/// Draws a picture of `width` by `height` CSS pixels; `label` says in words what it shows.
pub(super) fn picture(width: f64, height: f64, label: &str, paint: impl FnOnce(&Canvas)) -> String {
    let mut text = String::new();
    let units = (units(width) as u32, units(height) as u32);
    {
        let area = SVGBackend::with_string(&mut text, units).into_drawing_area();
        let canvas = Canvas { area };
        paint(&canvas);
        canvas.area.present().expect("a string can be written");
    }
    // The backend fixes the size; the page decides on it.
    let inner = text.split_once('>').map_or("", |(_, rest)| rest);
    format!(
        "<svg class=\"plot\" viewBox=\"0 0 {} {}\" style=\"--width:{width}px\" role=\"img\" aria-label=\"{}\">{inner}",
        units.0,
        units.1,
        escape(label)
    )
}

fn units(pixels: f64) -> i32 {
    (pixels * UNITS).round() as i32
}

fn place((x, y): (f64, f64)) -> (i32, i32) {
    (units(x), units(y))
}

/// Where a text stands relative to its point.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    /// To the right of it, centred on its height.
    Right,
    /// To the left of it, centred on its height.
    Left,
    /// Centred on it.
    Middle,
    /// Below it.
    Below,
}

impl Canvas<'_> {
    /// A line through `points`, `width` CSS pixels wide.
    pub(super) fn line(&self, points: &[(f64, f64)], ink: Ink, width: f64) {
        let style = ShapeStyle {
            color: ink.color().to_rgba(),
            filled: false,
            stroke_width: units(width) as u32,
        };
        let points: Vec<_> = points.iter().copied().map(place).collect();
        let drawn = self.area.draw(&PathElement::new(points, style));
        drawn.expect("a string can be written");
    }

    /// The area within `points`, `opacity` from 0.0 to 1.0.
    pub(super) fn area(&self, points: &[(f64, f64)], ink: Ink, opacity: f64) {
        let style = ink.color().mix(opacity).filled();
        let points: Vec<_> = points.iter().copied().map(place).collect();
        let drawn = self.area.draw(&Polygon::new(points, style));
        drawn.expect("a string can be written");
    }

    /// A rectangle between two corners.
    pub(super) fn rectangle(&self, corner: (f64, f64), other: (f64, f64), ink: Ink) {
        let style = ink.color().filled();
        let drawn = self
            .area
            .draw(&Rectangle::new([place(corner), place(other)], style));
        drawn.expect("a string can be written");
    }

    /// A dot.
    pub(super) fn dot(&self, center: (f64, f64), radius: f64, ink: Ink) {
        let style = ink.color().filled();
        let drawn = self
            .area
            .draw(&Circle::new(place(center), units(radius), style));
        drawn.expect("a string can be written");
    }

    /// A text, `size` CSS pixels high.
    pub(super) fn text(&self, at: (f64, f64), text: &str, size: f64, ink: Ink, anchor: Anchor) {
        self.write(at, text, size, ink, anchor, FontTransform::None);
    }

    /// A text from below upwards, centred on its point or from it upwards.
    pub(super) fn upward(&self, at: (f64, f64), text: &str, size: f64, ink: Ink, anchor: Anchor) {
        self.write(at, text, size, ink, anchor, FontTransform::Rotate270);
    }

    fn write(
        &self,
        at: (f64, f64),
        text: &str,
        size: f64,
        ink: Ink,
        anchor: Anchor,
        transform: FontTransform,
    ) {
        let (h, v) = match anchor {
            Anchor::Right => (HPos::Left, VPos::Center),
            Anchor::Left => (HPos::Right, VPos::Center),
            Anchor::Middle => (HPos::Center, VPos::Center),
            Anchor::Below => (HPos::Center, VPos::Top),
        };
        let font = FontDesc::new(
            FontFamily::SansSerif,
            size * UNITS * FONT_SCALE,
            FontStyle::Normal,
        );
        let style = font
            .transform(transform)
            .color(&ink.color())
            .pos(Pos::new(h, v));
        let drawn = self
            .area
            .draw(&Text::new(text.to_owned(), place(at), style));
        drawn.expect("a string can be written");
    }
}

/// One axis: values from `from` to `to` lie between the pixels `start` and `end`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) start: f64,
    pub(super) end: f64,
}

impl Axis {
    /// The pixel of a value.
    pub(super) fn at(&self, value: f64) -> f64 {
        self.start + (value - self.from) / (self.to - self.from) * (self.end - self.start)
    }

    /// Whether a value lies on it.
    pub(super) fn holds(&self, value: f64) -> bool {
        (self.from..=self.to).contains(&value)
    }
}

/// Two axes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Frame {
    pub(super) x: Axis,
    pub(super) y: Axis,
}

/// A value and what is written at it.
pub(super) type Tick = (f64, String);

impl Frame {
    /// Of a picture of that size, with room for ticks and titles.
    pub(super) fn new((width, height): (f64, f64), x: [f64; 2], y: [f64; 2]) -> Self {
        Self {
            x: Axis {
                from: x[0],
                to: x[1],
                start: 50.0,
                end: width - 14.0,
            },
            y: Axis {
                from: y[0],
                to: y[1],
                start: height - 42.0,
                end: 10.0,
            },
        }
    }

    /// The pixel of a point.
    pub(super) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (self.x.at(x), self.y.at(y))
    }

    /// Grid, ticks and titles.
    pub(super) fn draw(&self, canvas: &Canvas, x: (&[Tick], &str), y: (&[Tick], &str)) {
        let Self { x: across, y: up } = self;
        for (value, name) in x.0 {
            let at = across.at(*value);
            canvas.line(&[(at, up.start), (at, up.end)], Ink::Grid, 1.0);
            canvas.text((at, up.start + 6.0), name, 11.0, Ink::Muted, Anchor::Below);
        }
        for (value, name) in y.0 {
            let at = up.at(*value);
            canvas.line(&[(across.start, at), (across.end, at)], Ink::Grid, 1.0);
            canvas.text(
                (across.start - 6.0, at),
                name,
                11.0,
                Ink::Muted,
                Anchor::Left,
            );
        }
        canvas.line(
            &[
                (across.start, up.end),
                (across.start, up.start),
                (across.end, up.start),
            ],
            Ink::Axis,
            1.0,
        );
        let middle = f64::midpoint(across.start, across.end);
        canvas.text(
            (middle, up.start + 24.0),
            x.1,
            12.0,
            Ink::Text,
            Anchor::Below,
        );
        let middle = f64::midpoint(up.start, up.end);
        canvas.upward((12.0, middle), y.1, 12.0, Ink::Text, Anchor::Middle);
    }
}

/// Ticks of rates, in per cent.
pub(super) fn percents(rates: impl IntoIterator<Item = f64>) -> Vec<Tick> {
    let tick = |rate: f64| {
        let percent = (rate * 1_000.0).round() / 10.0;
        (rate, percent.to_string())
    };
    rates.into_iter().map(tick).collect()
}
