//! Version 1's memory and CPU files, version 2's `cpu.stat` and pressure files, and `net/dev`
//! were read from Linux 6.18. `io.stat` is the example of the kernel's documentation. The rest
//! (version 2's `memory.stat`, `blkio`, throttling beside `cpu.stat`) has the documented form
//! and numbers made up.

use proptest::prelude::*;

use super::*;

/// Of a program with 10 MiB of heap that wrote a file of 4 MiB.
const MEMORY_V1: &str = "\
cache 4194304
rss 21712896
rss_huge 0
shmem 0
swapcached 0
pgfault 15515
inactive_anon 21708800
active_anon 4096
inactive_file 4194304
active_file 0
hierarchical_memory_limit 67108864
hierarchical_memsw_limit 9223372036854771712
total_cache 4194304
total_rss 21712896
total_rss_huge 0
total_shmem 0
total_swapcached 0
total_pgfault 15515
total_inactive_anon 21708800
total_active_anon 4096
total_inactive_file 4194304
total_active_file 0
total_unevictable 0
";

const MEMORY_V2: &str = "\
anon 10629120
file 4325376
kernel 1171456
kernel_stack 49152
pagetables 102400
shmem 12288
file_mapped 2297856
inactive_anon 10608640
active_anon 20480
inactive_file 1900544
active_file 2424832
slab_reclaimable 559336
slab 763400
";

#[test]
fn memory_of_version_1() {
    let expected = MemoryDetail {
        anon: 21_712_896,
        file: 4_194_304,
        shmem: 0,
        inactive_file: 4_194_304,
        kernel: None,
        limit: Some(67_108_864),
    };
    assert_eq!(memory_stat(MEMORY_V1, false), expected);
    // What child cgroups use is only in the totals.
    let more = MEMORY_V1.replace("total_rss 2", "total_rss 3");
    assert_eq!(memory_stat(&more, false).anon, 31_712_896);
}

#[test]
fn memory_of_version_2() {
    let expected = MemoryDetail {
        anon: 10_629_120,
        file: 4_325_376,
        shmem: 12_288,
        inactive_file: 1_900_544,
        kernel: Some(1_171_456),
        limit: None,
    };
    assert_eq!(memory_stat(MEMORY_V2, true), expected);
}

#[test]
fn cpu_time_of_both_versions() {
    let v2 = "usage_usec 924826\nuser_usec 607985\nsystem_usec 316841\nnice_usec 0\n";
    let time = CpuTime { total: 924_826, user: 607_985, system: 316_841 };
    assert_eq!(cpu_time(v2), time);
    // The same program at the same time; ticks are coarser.
    let time = CpuTime { total: 924_826, user: 600_000, system: 310_000 };
    assert_eq!(cpu_time_v1("924826731\n", "user 60\nsystem 31\n"), time);
}

#[test]
fn throttling_of_both_versions() {
    let felt = Throttling { periods: 49, throttled_periods: 46, throttled_micros: 3_197_852 };
    let v1 = "nr_periods 49\nnr_throttled 46\nthrottled_time 3197852202\nnr_bursts 0\n";
    assert_eq!(throttling(v1), felt);
    let v2 = "usage_usec 924826\nnr_periods 49\nnr_throttled 46\nthrottled_usec 3197852\n";
    assert_eq!(throttling(v2), felt);
}

#[test]
fn cpu_limits() {
    assert_eq!(cpu_max("50000 100000\n"), Some(50.0));
    assert_eq!(cpu_max("max 100000\n"), None);
    assert_eq!(cpu_max("50000 0\n"), None);
    assert_eq!(percent(150_000, 100_000), Some(150.0));
}

#[test]
fn numbers_and_the_absence_of_a_limit() {
    assert_eq!(number("512\n"), Some(512));
    assert_eq!(number("max\n"), None);
    assert_eq!(number("-1\n"), None);
    assert_eq!(value_of("low 0\nhigh 0\noom_kill 3\noom_group_kill 0\n", "oom_kill"), Some(3));
}

#[test]
fn disks_are_summed() {
    let v2 = "\
8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0
8:0 rbytes=90430464 wbytes=299008000 rios=8950 wios=1252 dbytes=50331648 dios=3021
";
    let expected = BlockIoStats { read_bytes: 91_889_664, write_bytes: 613_781_504 };
    assert_eq!(io_stat(v2), expected);
    let v1 = "\
8:16 Read 1459200
8:16 Write 314773504
8:16 Sync 316232704
8:16 Async 0
8:16 Discard 0
8:16 Total 316232704
8:0 Read 90430464
8:0 Write 299008000
8:0 Total 389438464
Total 705671168
";
    assert_eq!(blkio_bytes(v1), expected);
    assert_eq!(blkio_bytes("Total 0\n"), BlockIoStats::default());
}

#[test]
fn loopback_is_no_network_traffic() {
    let text = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    3193      29    0    0    0     0          0         0     3193      29    0    0    0     0       0          0
  eth0: 99398493    4242    0    0    0     0          0         0   248862    2367    0    0    0     0       0          0
eth1:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
";
    let expected = NetworkStats {
        rx_bytes: 99_398_494,
        rx_packets: 4244,
        tx_bytes: 248_871,
        tx_packets: 2377,
    };
    assert_eq!(net_dev(text), expected);
}

#[test]
fn pressure_of_some_and_of_all() {
    let text = "\
some avg10=23.24 avg60=4.48 avg300=0.94 total=3292231
full avg10=23.24 avg60=4.48 avg300=0.94 total=3290882
";
    let some = Stall { avg10: 23.24, avg60: 4.48, avg300: 0.94, total_micros: 3_292_231 };
    let full = Stall { total_micros: 3_290_882, ..some };
    assert_eq!(pressure(text), Pressure { some, full });
    // Before Linux 5.13 the CPU's file has no "full".
    assert_eq!(pressure(text.lines().next().unwrap()), Pressure { some, ..Pressure::default() });
}

/// Text as the kernel's, with anything where a word or number should be.
fn nearly_right() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("total_rss".to_string()),
        Just("usage_usec".to_string()),
        Just("throttled_time".to_string()),
        Just("user".to_string()),
        Just("Read".to_string()),
        Just("some".to_string()),
        Just("eth0:".to_string()),
        Just("rbytes=".to_string()),
        Just("avg10=".to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        Just(u64::MAX.to_string()),
        Just("NaN".to_string()),
        "\\PC{0,4}",
    ];
    let space = prop_oneof![Just(" "), Just("\n"), Just("")];
    prop::collection::vec((word, space), 0..60)
        .prop_map(|parts| parts.into_iter().map(|(word, space)| word + space).collect())
}

fn parse_all(text: &str) {
    number(text);
    value_of(text, "user");
    memory_stat(text, true);
    memory_stat(text, false);
    cpu_time(text);
    cpu_time_v1(text, text);
    throttling(text);
    cpu_max(text);
    io_stat(text);
    blkio_bytes(text);
    net_dev(text);
    let Pressure { some, full } = pressure(text);
    for average in [some.avg10, some.avg60, some.avg300, full.avg10, full.avg60, full.avg300] {
        assert!(average.is_finite());
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(text in "(?s).{0,300}") {
        parse_all(&text);
    }

    #[test]
    fn no_nearly_right_text_makes_a_parser_panic(text in nearly_right()) {
        parse_all(&text);
    }
}
