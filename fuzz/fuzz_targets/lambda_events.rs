#![no_main]
voxproof_fuzz::target!(lambda_events);
