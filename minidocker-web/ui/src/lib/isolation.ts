/** The isolation features in a beginner's words. */
import type { Feature } from "../api/types.ts";

export const FEATURES: Record<Feature, { title: string; on: string; off: string; manual: string }> =
  {
    pid: {
      title: "Processes",
      on: "It sees only its own processes; its first has number 1.",
      off: "It sees every process of the host.",
      manual: "man 7 pid_namespaces",
    },
    rootfs: {
      title: "Files",
      on: "A root folder of its own, built from the image and what it changes.",
      off: "It sees and can change the host's files.",
      manual: "man 2 pivot_root",
    },
    uts: {
      title: "Host name",
      on: "A host name of its own.",
      off: "It shares the host's name, and root inside can change it.",
      manual: "man 7 uts_namespaces",
    },
    ipc: {
      title: "Shared memory",
      on: "Its own shared memory, semaphores and message queues.",
      off: "It can reach those of host programs.",
      manual: "man 7 ipc_namespaces",
    },
    network: {
      title: "Network",
      on: "A network of its own: interfaces, addresses, ports.",
      off: "It uses the host's network: all interfaces, all local ports.",
      manual: "man 7 network_namespaces",
    },
    cgroup: {
      title: "Cgroup view",
      on: "It sees its own cgroup as the root of all.",
      off: "It sees where it stands among the host's cgroups.",
      manual: "man 7 cgroup_namespaces",
    },
    masked_paths: {
      title: "Kernel files",
      on: "Dangerous files under /proc and /sys are hidden or read-only.",
      off: "Root inside can turn the kernel's knobs.",
      manual: "man 5 proc",
    },
    capabilities: {
      title: "Capabilities",
      on: "Root inside has 14 of root's 41 powers.",
      off: "Root inside has all powers of root.",
      manual: "man 7 capabilities",
    },
    no_new_privs: {
      title: "No new privileges",
      on: "Programs such as sudo cannot give it more rights.",
      off: "A set-user-ID program can raise its rights.",
      manual: "man 2 prctl",
    },
    seccomp: {
      title: "System call filter",
      on: "The kernel refuses system calls that containers have no use for.",
      off: "Every system call can be tried.",
      manual: "man 2 seccomp",
    },
  };
