//! The baked router: the library, and the tables that the compiler wrote from `router-config.yaml`.

mod router {
    include!(concat!(env!("OUT_DIR"), "/router.rs"));
}

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    hardwire::server::main(&router::TABLES, router::RESPONSES)
}
