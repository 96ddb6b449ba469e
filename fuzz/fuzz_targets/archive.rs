//! An archive of a stranger: read, understood as an image, and unpacked.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| minidocker_rt::fuzzing::archive(bytes));
