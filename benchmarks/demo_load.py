"""How the demos' page bears many visitors, and such as mean it no good.

    python benchmarks/demo_load.py --model runs/quickstart/model.keras

A server of its own, as `python demos/app.py` starts it, is asked over HTTP as the page asks it:

1. 100 visitors at once, each with 10 requests one after the other (fill-mask, next sentence,
   attention and similarity), each text with the visitor's own number in it. Printed: how many were
   answered, how many answers held another's number, median and 95th percentile of the seconds from
   asking to the answer, and the server's memory (its resident set) at the start, after a tenth and
   at the end.
2. 200 requests that no page makes: bodies of 10 MB, wrong types, HTML, NUL bytes, halves of
   characters, no JSON, doors that are shut, other sites' names, visitors who leave in the middle.
   Each has to end in 4xx or in a sentence for its reader; then an ordinary request is answered.
"""

import argparse
import asyncio
import json
import os
import platform
import re
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx  # comes with Gradio
import psutil

APP = Path(__file__).parents[1] / "demos" / "app.py"
API = "/gradio_api"
FRIENDLY = re.compile("[가-힣]")  # what a visitor is told is Korean


class Server:
    """The page in a process of its own."""

    def __init__(self, model: str | None):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        chosen = ["--model", model] if model else []
        self.process = subprocess.Popen([sys.executable, APP, "--port", str(port), *chosen])
        self.functions: dict[str, int] = {}

    def __enter__(self) -> "Server":
        for _ in range(600):
            try:
                config = httpx.get(f"{self.address}/config", timeout=30).json()
                break
            except httpx.TransportError:
                if self.process.poll() is not None:
                    sys.exit("error: the page could not be served")
                time.sleep(0.2)
        self.functions = {
            each["api_name"]: each["id"] for each in config["dependencies"] if each["api_name"]
        }
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(30)

    def megabytes(self) -> float:
        """Of memory that the server holds."""
        return psutil.Process(self.process.pid).memory_info().rss / 2**20


async def ask(client: httpx.AsyncClient, function: int, data: Any, session: str) -> tuple[int, str]:
    """The status of a request, and its answer as it came (JSON)."""
    body = {"data": data, "fn_index": function, "session_hash": session}
    kind = {"Content-Type": "application/json"}  # not `json=`, which takes no half of a character
    joined = await client.post(f"{API}/queue/join", content=json.dumps(body), headers=kind)
    if joined.status_code != 200:
        return joined.status_code, joined.text
    async with client.stream("GET", f"{API}/queue/data?session_hash={session}") as events:
        async for line in events.aiter_lines():
            if line.startswith("data:") and '"process_completed"' in line:
                message = json.loads(line[5:])
                return 200, json.dumps(message["output"], ensure_ascii=False)
    return 0, ""


def requests_of(server: Server, number: int, requests: int) -> list[tuple[int, list[Any], str]]:
    """What a visitor asks: function, boxes, and what only that visitor's answer holds."""
    made = []
    for turn in range(requests):
        mark = f"{7000 + number}번 손님의 {turn}째"
        text = f"{mark} 질문은 [MASK]이다."
        kinds = {
            "fill_mask": [text, "token", False, "continuation"],
            "next_sentence": ["대한민국은 민주공화국이다.", f"{mark} 글\n다른 글"],
            "attention": [f"{mark} 글", ""],
            "similarity": ["국회는 법률안을 의결한다.", f"{mark} 글\n다른 글"],
        }
        name = [*kinds][(number + turn) % len(kinds)]
        made.append((server.functions[name], kinds[name], f"{7000 + number}번"))
    return made


async def visitors(server: Server, count: int, requests: int) -> None:
    """The first part."""
    seconds: list[float] = []
    wrong, failed, memory = 0, Counter(), {"start": server.megabytes()}
    limits = httpx.Limits(max_connections=2 * count)
    async with httpx.AsyncClient(base_url=server.address, timeout=300, limits=limits) as client:

        async def visit(number: int) -> None:
            nonlocal wrong
            for function, data, mark in requests_of(server, number, requests):
                begun = time.perf_counter()
                status, answer = await ask(client, function, data, f"visitor{number}")
                if status != 200 or '"error"' in answer:
                    failed[f"{status} {answer[:100]}"] += 1
                    continue
                seconds.append(time.perf_counter() - begun)
                others = set(re.findall(r"7\d\d\d번", answer)) - {mark}
                wrong += bool(others) or mark not in answer
                if len(seconds) == count * requests // 10:
                    memory["after a tenth"] = server.megabytes()

        begun = time.perf_counter()
        await asyncio.gather(*(visit(number) for number in range(count)))
        whole = time.perf_counter() - begun
    memory["end"] = server.megabytes()
    asked = count * requests
    print(f"{count} visitors at once, {requests} requests each: {len(seconds)} of {asked} answered")
    print(f"errors: {sum(failed.values())} {dict(failed) or ''}; answers of another's: {wrong}")
    if len(seconds) > 1:
        cuts = statistics.quantiles(seconds, n=20)
        print(f"{len(seconds) / whole:.1f} answers/s; ", end="")
        print(f"median {statistics.median(seconds):.2f} s, 95th percentile {cuts[-1]:.2f} s")
    print("memory: " + ", ".join(f"{name} {each:.0f} MB" for name, each in memory.items()))
    if failed or wrong:
        sys.exit(1)


def abuses(server: Server) -> list[tuple[str, dict[str, Any]]]:
    """Requests that no page makes; "ask" goes through the queue, others are sent as they are."""
    join, fill = f"{API}/queue/join", server.functions["fill_mask"]
    html = "<img src=x onerror=alert(1)><script>alert(1)</script>"

    def asked(*data: Any) -> dict[str, Any]:
        return {"ask": list(data)}

    def sent(method: str, url: str, **more: Any) -> dict[str, Any]:
        return {"method": method, "url": url, **more}

    body = {"data": ["[MASK]"], "fn_index": fill, "session_hash": "x"}
    long = {**body, "data": ["[MASK]" + "가" * 3_500_000, "token", False, "word"]}
    return [
        ("10 MB", sent("POST", join, json=long)),
        ("10 MB of nothing", sent("POST", join, content=b"\0" * 10_000_000)),
        ("10 MB to be kept", sent("POST", f"{API}/upload", files={"files": b"x" * 10_000_000})),
        ("a file", sent("POST", f"{API}/upload", files={"files": b"x"})),
        ("a file of the server", sent("GET", f"{API}/file=/etc/passwd")),
        ("another site", sent("GET", f"{API}/proxy=http://example.com")),
        ("no JSON", sent("POST", join, content=b"{")),
        ("a list", sent("POST", join, json=[1, 2])),
        ("no such function", sent("POST", join, json={**body, "fn_index": 99999})),
        ("a function by name", sent("POST", join, json={**body, "fn_index": "fill"})),
        ("no session", sent("POST", join, json={"data": [], "fn_index": fill})),
        ("no such name", sent("POST", f"{API}/call/nothing", json={"data": []})),
        ("a name of another's", sent("GET", "/", headers={"Host": "evil.example"})),
        ("from another site", sent("POST", join, json=body, headers={"Origin": "http://evil"})),
        ("too long a text", asked("[MASK]" + "가" * 2000, "token", False, "word")),
        ("10,000 blanks", asked("[MASK] " * 10_000, "token", False, "word")),
        ("no blank but HTML", asked(html, "token", False, "word")),
        ("NUL bytes", asked("\0" * 100, "token", False, "word")),
        ("no such unit", asked("[MASK]", "<b>unit</b>", False, "word")),
        ("numbers", asked(1, 2, 3, 4)),
        ("objects", asked({"a": [1]}, {}, [], {})),
        ("too few boxes", asked("[MASK]")),
        ("nothing", asked(None, None, None, None)),
        ("half a character", asked("\ud800", "token", False, "word")),
        ("leaves", {"leave": ["[MASK]", "token", False, "word"]}),
    ]


async def abuse(server: Server, count: int) -> None:
    """The second part."""
    fill, kinds = server.functions["fill_mask"], abuses(server)
    ends: Counter[str] = Counter()
    bad = []
    async with httpx.AsyncClient(base_url=server.address, timeout=120) as client:
        for number in range(count):
            name, request = kinds[number % len(kinds)]
            session = f"abuse{number}"
            if "ask" in request:
                status, answer = await ask(client, fill, request["ask"], session)
            elif "leave" in request:
                try:
                    async with asyncio.timeout(0.02):
                        await ask(client, fill, request["leave"], session)
                except TimeoutError:
                    pass
                status, answer = 499, ""
            else:
                response = await client.request(**request)
                status, answer = response.status_code, response.text
            is_told = status == 200 and '"error"' in answer and bool(FRIENDLY.search(answer))
            ends["a sentence" if is_told else "4xx" if 400 <= status < 500 else str(status)] += 1
            if not is_told and not 400 <= status < 500:
                bad.append(f"{name}: {status} {answer[:200]}")
        text = ["국회는 [MASK]을 의결한다.", "token", False, "word"]
        status, answer = await ask(client, fill, text, "after")
    print(f"{count} requests that no page makes: {dict(ends)}")
    for each in sorted(set(bad)):
        print(f"  {each}")
    served = status == 200 and '"error"' not in answer
    print(f"the next visitor is {'answered' if served else 'NOT answered'}; ", end="")
    print(f"memory {server.megabytes():.0f} MB")
    if bad or not served:
        sys.exit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", help="as demos/app.py takes it")
    parser.add_argument("--visitors", type=int, default=100)
    parser.add_argument("--requests", type=int, default=10, help="of each visitor")
    parser.add_argument("--abuse", type=int, default=200, help="requests that no page makes")
    arguments = parser.parse_args()
    backend = os.environ.get("KERAS_BACKEND", "the backend that kbert chose")
    print(f"{platform.machine()}, {os.cpu_count()} cores, {backend}, Gradio {version('gradio')}")
    with Server(arguments.model) as server:
        asyncio.run(visitors(server, arguments.visitors, arguments.requests))
        asyncio.run(abuse(server, arguments.abuse))


if __name__ == "__main__":
    main()
