"""Settings of an API whose tokens come from Latchkey. What matters is SIMPLE_JWT."""

import os

AUTH_URL = os.environ.get("AUTH_URL", "")  # https://auth.example.com
SIGNING_KEY = os.environ.get("AUTH_SIGNING_KEY", "")

if SIGNING_KEY:
    # Latchkey with signing.algorithm = "HS256": the same secret on both sides.
    # Whoever has it can make tokens, too.
    SIMPLE_JWT = {"ALGORITHM": "HS256", "SIGNING_KEY": SIGNING_KEY}
else:
    # Latchkey with signing.algorithm = "ES256" or "RS256". SimpleJWT takes one
    # algorithm, and up to now not EdDSA.
    SIMPLE_JWT = {
        "ALGORITHM": os.environ.get("AUTH_ALGORITHM", "ES256"),
        "JWK_URL": AUTH_URL + "/.well-known/jwks.json",
    }
SIMPLE_JWT["LEEWAY"] = 0  # exp has none in Latchkey

REST_FRAMEWORK = {
    # The user is what the token says: there is no user table here.
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}

SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]  # Django's own; no token is signed with it
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"]
ROOT_URLCONF = "service.urls"
DATABASES = {}
USE_TZ = True
