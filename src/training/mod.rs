//! Corpus, fitting and evaluation.
