//! The server.

fn main() {
    minidocker_rt::init();
}
