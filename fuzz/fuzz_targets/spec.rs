//! The JSON of a specification or of an exported configuration.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| minidocker_rt::fuzzing::spec(bytes));
