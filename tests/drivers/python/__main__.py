"""`python -m tests.drivers.python DRIVER`: {service, lane, dsn} on stdin, one JSON line per check on stdout."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from tests.drivers.python import checks
from tests.drivers.python.contract import Breaks, NotOffered

SECONDS = 90
"""For one check; what takes longer hangs."""

DRIVERS = {
    "psycopg": ("psycopg_driver", "Psycopg"),
    "psycopg2": ("psycopg2_driver", "Psycopg2"),
    "asyncpg": ("asyncpg_driver", "Asyncpg"),
    "sqlalchemy": ("sqlalchemy_driver", "SqlAlchemy"),
}


async def ending(check: Callable[[], Awaitable[None]]) -> tuple[str, str]:
    """Outcome and its sign, reason or error."""
    try:
        await asyncio.wait_for(check(), SECONDS)
    except Breaks as broken:
        return "breaks", str(broken)
    except NotOffered as reason:
        return "n/a", str(reason)
    except TimeoutError:
        return "hangs", ""
    except Exception as error:
        return "failed", f"{type(error).__name__}: {error}"
    return "works", ""


async def main() -> None:
    asked = json.load(sys.stdin)
    module, name = DRIVERS[sys.argv[1]]
    driver = getattr(importlib.import_module(f"tests.drivers.python.{module}"), name)(asked["dsn"])
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(40))  # a thread per client
    for check, run in checks.of(driver, asked["service"], asked["lane"]).items():
        outcome, detail = await ending(run)
        print(json.dumps({"check": check, "outcome": outcome, "detail": detail}), flush=True)


asyncio.new_event_loop().run_until_complete(main())
os._exit(0)  # threads of checks that hang would keep the process
