#![no_main]
voxproof_fuzz::target!(notices);
