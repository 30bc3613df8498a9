//! The baked router: the library, and the tables that the compiler wrote from `router-config.yaml`.

mod router {
    include!(concat!(env!("OUT_DIR"), "/router.rs"));
}

fn main() -> std::process::ExitCode {
    hardwire::server::main(&router::TABLES, router::RESPONSES)
}
