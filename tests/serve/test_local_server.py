"""What the server refuses: other hosts, other sites, other paths; and what its answers forbid."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from conceptgraph.errors import ConceptGraphError
from conceptgraph.serve.local_server import LARGEST_BODY, address, open_port
from tests.drawn_data import draw_concept_data
from tests.verify_server import VerifyServer, verifying

if TYPE_CHECKING:
    from collections.abc import Iterator

JSON = "application/json"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VerifyServer]:
    folder = draw_concept_data(tmp_path_factory.mktemp("served") / "concepts", 8)
    (folder / "secret.txt").write_text("secret")
    with verifying(folder, "--worker", "ana") as running:
        yield running


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="Linux says what listens where")
def test_it_listens_on_this_machine_only(server: VerifyServer) -> None:
    lines = [line.split() for name in ("tcp", "tcp6") for line in _lines(Path("/proc/net") / name)]
    places = [cells[1] for cells in lines if cells[3] == "0A"]  # that listen
    port = f":{server.port:04X}"
    assert [place for place in places if place.endswith(port)] == [f"0100007F{port}"]


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="ascii").splitlines()[1:] if path.exists() else []


def test_answers_are_sent_at_once() -> None:
    """A part of an answer does not wait until the browser has acknowledged the one before it."""

    async def delayed(listener: socket.socket) -> int:
        accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            accepted.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(accept, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            writer.close()
            return await accepted

    with open_port() as listener:
        assert asyncio.run(delayed(listener))


@pytest.mark.parametrize(
    "host",
    ["example.org", "127.0.0.1.example.org", "example.org:80", "localhost.example.org", "",
     "0.0.0.0", "[::1]", "127.0.0.1:1:example.org", "localhost@example.org"],
)  # fmt: skip
def test_other_hosts_are_refused(server: VerifyServer, host: str) -> None:
    for path in ("/", "/state", "/nothing"):
        assert server.request("GET", path, headers={"Host": host})[0] in {400, 421}
    origin = {"Host": host, "Origin": f"http://{host}", "Content-Type": JSON}
    assert server.request("POST", "/undo", "{}", origin)[0] in {400, 421}


def test_names_of_this_machine(server: VerifyServer) -> None:
    """Also with the port of a tunnel to it."""
    for host in ("localhost", "127.0.0.1", "localhost:9999", f"127.0.0.1:{server.port}"):
        assert server.request("GET", "/state", headers={"Host": host})[0] == 200
    tunnel = {"Host": "localhost:9999", "Origin": "http://localhost:9999", "Content-Type": JSON}
    assert server.request("POST", "/undo", "{}", tunnel)[0] == 200


def test_what_other_sites_send_is_refused(server: VerifyServer) -> None:
    ours = f"http://127.0.0.1:{server.port}"
    label = server.state()["label"]["key"]
    body = json.dumps({"label": label, "answer": "yes"})
    for headers in (
        {"Content-Type": JSON},
        {"Content-Type": JSON, "Origin": "null"},
        {"Content-Type": JSON, "Origin": "http://example.org"},
        {"Content-Type": JSON, "Origin": f"http://localhost:{server.port}"},
        {"Content-Type": JSON, "Origin": "http://127.0.0.1:1"},
        {"Content-Type": JSON, "Origin": f"https://127.0.0.1:{server.port}"},
        {"Content-Type": "text/plain", "Origin": ours},
        {"Content-Type": "application/x-www-form-urlencoded", "Origin": ours},
        {"Origin": ours},
    ):
        assert server.request("POST", "/answer", body, headers)[0] in {403, 415}
    assert server.state()["mine"] == 0
    assert server.request("POST", "/answer", body, {"Content-Type": JSON, "Origin": ours})[0] == 200
    assert server.state()["mine"] == 1
    assert server.post("/undo")[1]["undone"]


def test_what_other_sites_load_is_refused(server: VerifyServer) -> None:
    picture = f"/picture/{server.state()['label']['key']}"
    for site in ("cross-site", "same-site"):
        headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
        assert server.request("GET", picture, headers=headers)[0] == 403
    assert server.request("GET", picture, headers={"Sec-Fetch-Site": "same-origin"})[0] == 200
    leads_here = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert server.request("GET", "/", headers=leads_here)[0] == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_other_methods_are_refused(server: VerifyServer, method: str) -> None:
    assert server.request(method, "/")[0] == 405


@pytest.mark.parametrize(
    "path",
    ["/secret.txt", "/../secret.txt", "/%2e%2e/secret.txt", "/picture/../secret.txt",
     "/picture/..%2Fsecret.txt", "/picture/%2Fetc%2Fpasswd", "/crop/secret.txt", "/picture/",
     "/verify.py", "/static/verify.js", "//etc/passwd", "/picture/" + "a" * 5000,
     "/picture/" + quote("images/drawn/00000.jpg", safe=""), "/images/drawn/00000.jpg",
     "/picture/%00", "/picture/%ff", "/verify.js/..", "/app.py", "/index.csv"],
)  # fmt: skip
def test_no_path_reaches_a_file(server: VerifyServer, path: str) -> None:
    status, content, _ = server.request("GET", path)
    assert status == 404
    assert b"secret" not in content
    assert b"root:" not in content


def test_what_answers_forbid(server: VerifyServer) -> None:
    for path in ("/", "/verify.js", "/state", "/nothing"):
        _, _, headers = server.request("GET", path)
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


@pytest.mark.parametrize(
    ("body", "status"),
    [("", 411), ("[]", 400), ("{", 400), ("null", 400), ("[" * 50_000, 400),
     ('{"label": "x", "answer": "yes"}', 400), ('{"answer": "yes"}', 400),
     ('{"worker": "=1+1"}', 400), ('{"worker": {"a": 1}, "answer": "no"}', 400),
     ('{"concept": "no/such"}', 400), (" " * (LARGEST_BODY + 1), 413)],
)  # fmt: skip
def test_bodies_that_say_nothing(server: VerifyServer, body: str, status: int) -> None:
    headers = {"Origin": server.url.rstrip("/"), "Content-Type": JSON}
    assert server.request("POST", "/answer", body, headers)[0] == status


def test_a_body_without_a_length(server: VerifyServer) -> None:
    """Sent in chunks, it could have any; also if it states one."""
    head = {"Origin": server.url.rstrip("/"), "Content-Type": JSON, "Transfer-Encoding": "chunked"}
    for headers in (head, {**head, "Content-Length": "10"}):
        assert server.request("POST", "/answer", headers=headers)[0] in {400, 411}


@pytest.mark.parametrize("answer", ["", "YES", None, 1, ["yes"], {"yes": 1}, "maybe"])
def test_answers_that_are_none(server: VerifyServer, answer: object) -> None:
    label = server.state()["label"]["key"]
    status, reply = server.post("/answer", label=label, answer=answer)
    assert status == 400
    assert reply["error"].startswith("answer; found ")
    assert server.state()["mine"] == 0


def test_what_is_refused_changes_nothing(server: VerifyServer) -> None:
    label = server.state()["label"]["key"]
    for path in ("/answer", "/undo"):
        status, reply = server.post(path, label=label, answer="yes", concept="no/such")
        assert status == 400
        assert "nobody is asked about a concept" in reply["error"]
    assert server.state()["mine"] == 0
    assert server.post("/answer", label=label, answer="yes")[0] == 200
    assert server.post("/undo", concept="no/such")[0] == 400
    assert server.state()["mine"] == 1
    assert server.post("/undo")[1]["undone"]


def test_broken_requests_print_nothing(tmp_path: Path) -> None:
    """Nor does Ctrl-C while one is being sent."""
    folder = draw_concept_data(tmp_path / "concepts", 8)
    with verifying(folder, "--worker", "ana") as server:
        host = f"127.0.0.1:{server.port}"
        with socket.create_connection(("127.0.0.1", server.port)) as broken:
            broken.sendall(b"no request\r\n\r\n")
            assert broken.recv(100).startswith(b"HTTP/1.1 400")
        half = (
            f"POST /answer HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n"
            f"Content-Type: {JSON}\r\nContent-Length: 100\r\n\r\n{{"
        )
        with socket.create_connection(("127.0.0.1", server.port)) as sending:
            sending.sendall(half.encode())
            server.state()
            done = server.stop()
    assert done.status == 0
    assert "Traceback" not in done.err
    assert done.err.count("\n") == 2


def test_a_port_in_use() -> None:
    with open_port() as listener:
        assert address(listener, "/x").startswith("http://127.0.0.1:")
        port = listener.getsockname()[1]
        with pytest.raises(ConceptGraphError, match=rf"port {port}: .*in use\. Choose another"):
            open_port(port)
    with open_port(port) as again, socket.create_connection(("127.0.0.1", port)):
        assert again.getsockname()[1] == port
