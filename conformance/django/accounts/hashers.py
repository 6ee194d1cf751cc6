from django.contrib.auth.hashers import PBKDF2PasswordHasher


class FewerPBKDF2PasswordHasher(PBKDF2PasswordHasher):
    """An older Django's number of iterations (2.2 wrote 150,000)."""

    iterations = 150_000


class QuickPBKDF2PasswordHasher(PBKDF2PasswordHasher):
    """For tests in which it does not matter how long a hash takes."""

    iterations = 1_000
