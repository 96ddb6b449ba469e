/** The chapter about networks and ports. */
import { href } from "../../router.ts";
import { Try } from "./try.tsx";

export function Networks() {
  return (
    <>
      <p class="lead">
        A container has its own network interfaces, addresses and ports. A web server inside can use
        port 8000 whatever else is running here, and cannot be reached from outside until one of its
        ports is <em>published</em>.
      </p>
      <h2>A web server in the browser</h2>
      <p>
        Published ports are written <code>HOST:CONTAINER</code>. <code>8080:8000</code> makes port
        8080 of this machine lead to port 8000 of the container; <code>0:8000</code> takes a free
        port and says which. Only this machine reaches it, unless an address says more:{" "}
        <code>0.0.0.0:8080:8000</code> is for everybody who reaches this machine. (Docker takes that
        for granted, and many a database was found on the open internet that way.)
      </p>
      <Try
        spec={{
          name: "my-web-server",
          command: "python -m http.server 8000",
          mem_limit_mb: 100,
          cpu_limit_percent: 50,
          ports: ["0:8000"],
        }}
      >
        Shows the files of the container in your browser. While it is running, its page has a link.
      </Try>
      <p>
        Until the program listens, which takes Python a moment, the browser says that the connection
        was reset. And the program must listen on all addresses, <code>0.0.0.0</code>: on{" "}
        <code>127.0.0.1</code> it can be reached only from inside.
      </p>
      <h2>Which network</h2>
      <table class="plain compare">
        <thead>
          <tr>
            <th scope="col">Mode</th>
            <th scope="col">What it has</th>
            <th scope="col">Good for</th>
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">bridge</th>
            <td>its own IP address; outgoing traffic through this machine</td>
            <td>nearly everything; the default</td>
          </tr>
          <tr>
            <th scope="row">your own network</th>
            <td>the same, with its own range of addresses</td>
            <td>programs that belong together, separate from the rest</td>
          </tr>
          <tr>
            <th scope="row">none</th>
            <td>only loopback</td>
            <td>programs that need no network</td>
          </tr>
          <tr>
            <th scope="row">host</th>
            <td>the interfaces and ports of this machine</td>
            <td>network tools; there is no isolation</td>
          </tr>
          <tr>
            <th scope="row">container:NAME</th>
            <td>the network of another container</td>
            <td>a helper beside a server, at its 127.0.0.1</td>
          </tr>
        </tbody>
      </table>
      <p>
        <a href={href("networks")}>Networks</a> are created and deleted here. Containers on the same
        network find each other by name: <code>http://db:8000</code> is the container{" "}
        <code>db</code>.
      </p>
      <h2>How it works</h2>
      <p>
        A <em>bridge</em> is a virtual switch. A <em>veth pair</em>, a virtual cable with two ends,
        connects each container: one end is in the bridge, the other is <code>eth0</code> inside. A
        container's <strong>X-ray</strong> shows both ends. A published port is a socket of this
        machine and a small process that forwards what comes in. Both end with the container.
      </p>
    </>
  );
}
