"""Settings of the guide's application, from the environment.

DJANGO_SECRET_KEY  the key that SimpleJWT signs with
DATABASE           a file (SQLite), postgres://user:password@host:port/name or
                   mysql://user:password@host:port/name
HASHERS            class names in django.contrib.auth.hashers or
                   accounts.hashers, separated by commas; the first one is
                   written with
SIMPLE_JWT         a JSON file whose keys go over the guide's
"""

import json
import os
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.utils.dateparse import parse_duration

SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "guide.urls"
WSGI_APPLICATION = "guide.wsgi.application"
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "corsheaders",
    "accounts",
]
MIDDLEWARE = [
    "corsheaders.middleware.CorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]
CORS_ALLOWED_ORIGINS = ["http://localhost:3000", "http://127.0.0.1:3000"]


def database(name):
    url = urlsplit(name)
    if url.scheme not in ("postgres", "postgresql", "mysql"):
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": {"timeout": 30}}
    return {
        "ENGINE": "django.db.backends." + ("mysql" if url.scheme == "mysql" else "postgresql"),
        "NAME": url.path.lstrip("/"),
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": url.hostname or "",
        "PORT": str(url.port or ""),
        "OPTIONS": {"charset": "utf8mb4"} if url.scheme == "mysql" else {},
    }


DATABASES = {"default": database(os.environ.get("DATABASE", "db.sqlite3"))}

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation." + name}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]


def hasher(name):
    own = name in ("FewerPBKDF2PasswordHasher", "QuickPBKDF2PasswordHasher")
    return ("accounts.hashers." if own else "django.contrib.auth.hashers.") + name


EVERY_HASHER = (
    "PBKDF2PasswordHasher,Argon2PasswordHasher,BCryptSHA256PasswordHasher,"
    "BCryptPasswordHasher,PBKDF2SHA1PasswordHasher"
)


def password_hashers(first):
    return [hasher(name) for name in first] + [hasher(name) for name in EVERY_HASHER.split(",") if name not in first]


PASSWORD_HASHERS = password_hashers([name for name in os.environ.get("HASHERS", "").split(",") if name])

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}

SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=180),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=3),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
}
if os.environ.get("SIMPLE_JWT"):
    for _key, _value in json.loads(Path(os.environ["SIMPLE_JWT"]).read_text()).items():
        if _key.endswith("_LIFETIME") or _key == "LEEWAY":
            _value = timedelta(seconds=_value) if isinstance(_value, (int, float)) else parse_duration(_value)
        if _key == "AUTH_HEADER_TYPES" and isinstance(_value, list):
            _value = tuple(_value)
        SIMPLE_JWT[_key] = _value
