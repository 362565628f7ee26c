//! Rounding to whole numbers in vector code of any processor, where `round_ties_even` is a call.

/// Adding and subtracting it rounds a number of less than 2^22 to a whole one, halves to even; between the two the whole
/// number stands in the lowest bits.
pub(crate) const ROUNDING: f32 = 12_582_912.0;
