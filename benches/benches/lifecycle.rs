//! Each operation of a container's life by itself.
//!
//! `cargo bench -p minidocker-benches` as root. Only the named operation is timed; what
//! comes before and after it in a container's life is done outside of the clock.

use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode};
use minidocker_benches::{Lab, Result, expect_success, live};
use minidocker_rt::Container;

fn main() -> Result<()> {
    // criterion_main! would leave no room for this line, which must be the first.
    minidocker_rt::init();
    let lab = Lab::open()?;
    // The first start builds the image and starts the spawner; no figure is about that.
    live(lab.runtime(), lab.spec_of_true("first")?)?;

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("container");
    // Each sample is of the same number of lives: for operations of milliseconds.
    group.sampling_mode(SamplingMode::Flat).measurement_time(Duration::from_secs(10));
    measure(&mut group, "create", |clock| {
        let container = clock.time(|| create(&lab))?;
        Ok(container.delete()?)
    });
    measure(&mut group, "start to exec", |clock| {
        let container = create(&lab)?;
        clock.time(|| container.start())?;
        expect_success(&container)?;
        Ok(container.delete()?)
    });
    measure(&mut group, "start to exit", |clock| {
        let container = create(&lab)?;
        clock.time(|| {
            container.start()?;
            expect_success(&container)
        })?;
        Ok(container.delete()?)
    });
    measure(&mut group, "delete", |clock| {
        let container = create(&lab)?;
        container.start()?;
        expect_success(&container)?;
        Ok(clock.time(|| container.delete())?)
    });
    measure(&mut group, "whole life", |clock| {
        clock.time(|| live(lab.runtime(), lab.spec_of_true("bench")?))
    });
    group.finish();
    criterion.final_summary();
    Ok(())
}

fn create(lab: &Lab) -> Result<Container> {
    Ok(lab.runtime().create(lab.spec_of_true("bench")?)?)
}

/// Adds up the times of what is measured.
#[derive(Default)]
struct Clock {
    total: Duration,
}

impl Clock {
    fn time<T>(&mut self, operation: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = operation();
        self.total += start.elapsed();
        result
    }
}

/// Measures what `life` hands to the clock, over many lives.
fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    mut life: impl FnMut(&mut Clock) -> Result<()>,
) {
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let mut clock = Clock::default();
            for _ in 0..iterations {
                // criterion has no way to end in an error; unwinding drops the lab.
                life(&mut clock).unwrap_or_else(|error| panic!("{name}: {error}"));
            }
            clock.total
        });
    });
}
