"""Password hashes by the real Django.

make_hashes.py           writes hashes.json, the fixtures, beside itself
make_hashes.py encode    reads {"password", "format"} line by line and answers
                         each with {"encoded"}, at low costs
make_hashes.py verify    reads {"password", "encoded"} line by line and answers
                         each with {"ok"}

scrypt, which Django has from 4.0 on, is made with hashlib in Django's format.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

from django.conf import settings

settings.configure(
    PASSWORD_HASHERS=[
        "django.contrib.auth.hashers." + name
        for name in (
            "PBKDF2PasswordHasher",
            "PBKDF2SHA1PasswordHasher",
            "Argon2PasswordHasher",
            "BCryptSHA256PasswordHasher",
            "BCryptPasswordHasher",
        )
    ]
)

import django  # noqa: E402
from django.contrib.auth.hashers import (  # noqa: E402
    Argon2PasswordHasher,
    check_password,
    get_hasher,
    make_password,
)
from django.utils.crypto import get_random_string  # noqa: E402

PASSWORDS = [
    "correct horse battery staple",
    " with outer blanks ",
    "Pässwörter — 密码 🔑",
    "e\u0301 is not \u00e9",
    "x",
    "$ is a $ign$",
    "long " * 40,
]


def scrypt(password, salt, n=2**14, r=8, p=1):
    digest = hashlib.scrypt(password.encode(), salt=salt.encode(), n=n, r=r, p=p, maxmem=64 * 2**20, dklen=64)
    return f"scrypt${n}${salt}${r}${p}${base64.b64encode(digest).decode('ascii')}"


class CheapArgon2(Argon2PasswordHasher):
    time_cost, memory_cost, parallelism = 1, 64, 1


def cheap(password, format):
    """A hash at the lowest cost that Django writes."""
    salt = get_random_string(22)
    if format == "scrypt":
        return scrypt(password, salt, n=2, r=1)
    if format == "argon2":
        return CheapArgon2().encode(password, salt)
    hasher = get_hasher(format)
    if format.startswith("bcrypt"):
        hasher.rounds = 4
        return hasher.encode(password, hasher.salt())
    return hasher.encode(password, salt, iterations=3)


def fixtures():
    out = []
    for password in PASSWORDS:
        for format in ("pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt_sha256", "bcrypt"):
            if format == "bcrypt" and len(password.encode()) > 72:
                # Python's bcrypt cuts these, or refuses them since 5.0.
                continue
            out.append({"by": "django", "format": format, "password": password, "encoded": make_password(password, hasher=format)})
        out.append({"by": "hashlib", "format": "scrypt", "password": password, "encoded": scrypt(password, get_random_string(22))})
    old = get_hasher("pbkdf2_sha256").encode(PASSWORDS[0], "seasalt", iterations=10_000)
    out.append({"by": "django", "format": "pbkdf2_sha256", "password": PASSWORDS[0], "encoded": old})
    out.append({"by": "django", "format": "unusable", "password": None, "encoded": make_password(None)})
    return {"django": django.get_version(), "hashes": out}


def answer(f):
    for line in sys.stdin:
        print(json.dumps(f(json.loads(line))), flush=True)


if __name__ == "__main__":
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command == "encode":
        answer(lambda q: {"encoded": cheap(q["password"], q["format"])})
    elif command == "verify":
        answer(lambda q: {"ok": check_password(q["password"], q["encoded"])})
    else:
        path = Path(__file__).with_name("hashes.json")
        path.write_text(json.dumps(fixtures(), indent=1, ensure_ascii=False) + "\n")
