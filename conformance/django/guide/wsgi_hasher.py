"""The application, writing with the hasher that a request names in X-Hasher:
people of all kinds of hashes register at one server. A worker must have one
request at a time."""

from django.conf import settings
from django.contrib.auth import hashers

from guide.settings import password_hashers
from guide.wsgi import application as guide


def application(environ, start_response):
    settings.PASSWORD_HASHERS = password_hashers([environ["HTTP_X_HASHER"]] if environ.get("HTTP_X_HASHER") else [])
    hashers.get_hashers.cache_clear()
    hashers.get_hashers_by_algorithm.cache_clear()
    return guide(environ, start_response)
