#![no_main]
voxproof_fuzz::target!(decode);
