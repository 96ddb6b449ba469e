/** The chapter about networks and ports. */
import { href } from "../../router.ts";
import { Try } from "./try.tsx";

export function Networks() {
  return (
    <>
      <p class="lead">
        A container has network interfaces, addresses and ports of its own. So a web server in it
        can have port 8000 whatever else runs here, and is reached by nobody until one of its ports
        is <em>published</em>.
      </p>
      <h2>A web server one can open</h2>
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
        Shows the container's files in your browser: once it runs, its page has a link to it.
      </Try>
      <p>
        The port leads nowhere until the program listens, which takes Python a moment: the browser
        then says that the connection was reset. And a program must listen at all its addresses,{" "}
        <code>0.0.0.0</code>: at <code>127.0.0.1</code> it is heard only inside.
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
            <td>an address of its own, and a way out through this machine</td>
            <td>nearly everything; it is the default</td>
          </tr>
          <tr>
            <th scope="row">a network of yours</th>
            <td>the same, with addresses of its own</td>
            <td>programs that belong together, kept apart from the rest</td>
          </tr>
          <tr>
            <th scope="row">none</th>
            <td>nothing but loopback</td>
            <td>programs that are to speak with nobody</td>
          </tr>
          <tr>
            <th scope="row">host</th>
            <td>this machine's own interfaces and ports</td>
            <td>looking at the network itself; it separates nothing</td>
          </tr>
          <tr>
            <th scope="row">container:NAME</th>
            <td>the network of another container</td>
            <td>a helper beside a server, at its 127.0.0.1</td>
          </tr>
        </tbody>
      </table>
      <p>
        <a href={href("networks")}>Networks</a> are made and deleted here. Those on the same one
        find each other by name: <code>http://db:8000</code> is the container <code>db</code>.
      </p>
      <h2>How it works</h2>
      <p>
        A <em>bridge</em> is a switch made of software. Each container is plugged in with a{" "}
        <em>veth pair</em>, a cable with two ends: one in the bridge, the other is <code>eth0</code>{" "}
        inside. A container's <strong>X-ray</strong> shows both ends. A published port is a socket
        of this machine, and a small process that passes on what comes in: it ends with the
        container, and so does the open port.
      </p>
    </>
  );
}
