/** The isolation features in a beginner's words. */
import type { Feature } from "../api/types.ts";

export const FEATURES: Record<Feature, { title: string; on: string; off: string; manual: string }> =
  {
    pid: {
      title: "Processes",
      on: "The container sees only its own processes; the first has number 1.",
      off: "The container sees every process of this machine, and root can end them.",
      manual: "man 7 pid_namespaces",
    },
    rootfs: {
      title: "Files",
      on: "The container has its own root folder: the image and what it changed.",
      off: "The container sees and can change the files of this machine.",
      manual: "man 2 pivot_root",
    },
    uts: {
      title: "Host name",
      on: "The container has its own host name.",
      off: "The container has the name of this machine, and root inside can change it.",
      manual: "man 7 uts_namespaces",
    },
    ipc: {
      title: "Shared memory",
      on: "The container has its own shared memory, semaphores and message queues.",
      off: "The container can reach the shared memory of programs of this machine.",
      manual: "man 7 ipc_namespaces",
    },
    network: {
      title: "Network",
      on: "The container has its own network: interfaces, addresses, ports.",
      off: "The container uses the network of this machine: all interfaces, all local ports.",
      manual: "man 7 network_namespaces",
    },
    cgroup: {
      title: "Cgroup view",
      on: "The container sees its own cgroup as the root of the tree.",
      off: "The container sees its place among the cgroups of this machine.",
      manual: "man 7 cgroup_namespaces",
    },
    masked_paths: {
      title: "Kernel files",
      on: "Dangerous files under /proc and /sys are hidden or read-only.",
      off: "Root inside can change settings of the kernel.",
      manual: "man 5 proc",
    },
    capabilities: {
      title: "Capabilities",
      on: "Root inside has 14 of the 41 capabilities of root.",
      off: "Root inside has all capabilities of root.",
      manual: "man 7 capabilities",
    },
    no_new_privs: {
      title: "No new privileges",
      on: "Programs such as sudo give no more rights.",
      off: "A set-user-ID program can give more rights.",
      manual: "man 2 prctl",
    },
    seccomp: {
      title: "System call filter",
      on: "The kernel refuses system calls that containers do not need.",
      off: "Every system call is allowed.",
      manual: "man 2 seccomp",
    },
  };
