#!/usr/bin/env python3
"""Writes the vectors beside it: what Django 3.2.25 itself answers.

Run with Django 3.2.25, argon2-cffi and bcrypt installed (Debian 12:
python3-django, python3-argon2, python3-bcrypt). The tests need only the files.
The random numbers are seeded, so that a second run writes the same.
"""
import base64
import hashlib
import json
import pathlib
import random
from difflib import SequenceMatcher

import argon2
import bcrypt
import django
from django.conf import settings

settings.configure(PASSWORD_HASHERS=[
    'django.contrib.auth.hashers.Argon2PasswordHasher',
    'django.contrib.auth.hashers.PBKDF2PasswordHasher',
    'django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher',
    'django.contrib.auth.hashers.BCryptSHA256PasswordHasher',
    'django.contrib.auth.hashers.BCryptPasswordHasher',
])
django.setup()

from django.contrib.auth import hashers, password_validation as rules  # noqa: E402
from django.core.exceptions import FieldDoesNotExist, ValidationError  # noqa: E402

here = pathlib.Path(__file__).parent
rng = random.Random(3225)

PASSWORDS = [
    'c0rrect-Horse-42', '', ' ', '  c0rrect-Horse-42 ', 'пароль-Ünal-日本', 'пароль-U\u0308nal-日本',
    '😀😀😀😀', 'tab\tand\nline', 'aZ3!' * 18, 'aZ3!' * 18 + 'x', 'aZ3!' * 1250, '$dollar$signs$', 'e\u0301' * 40,
]
SALTS = ['NaCl5alt', 'Zm9vYmFyc2FsdHNhbHRz22', 'соль-и-соль', 'a b+c/d=']


def write(name, value):
    if isinstance(value, dict):
        lines = ['%s:%s' % (json.dumps(k), compact(v)) for k, v in value.items()]
        text = '{\n' + ',\n'.join(lines) + '\n}\n'
    else:
        text = '[\n' + ',\n'.join(map(compact, value)) + '\n]\n'
    (here / name).write_text(text)


def compact(value):
    return json.dumps(value, separators=(',', ':'))


def check(password, encoded):
    return hashers.check_password(password, encoded)


def hashes():
    out = []

    def add(password, encoded, verified=True):
        out.append({'password': password, 'encoded': encoded})
        assert not verified or check(password, encoded), (password, encoded)

    for i, password in enumerate(PASSWORDS):
        salt = SALTS[i % len(SALTS)]
        add(password, hashers.PBKDF2PasswordHasher().encode(password, salt, 1 + i * 7))
        add(password, hashers.PBKDF2SHA1PasswordHasher().encode(password, salt, 1 + i * 5))
        n, r, p = [(16, 8, 1), (1024, 1, 3), (2, 1, 1), (256, 4, 10)][i % 4]
        # Django 4.0's ScryptPasswordHasher; 3.2 has none.
        sum_ = hashlib.scrypt(password.encode(), salt=salt.encode(), n=n, r=r, p=p, dklen=64)
        add(password, 'scrypt$%d$%s$%d$%d$%s' % (n, salt, r, p, base64.b64encode(sum_).decode()), verified=False)
        bsalt = bcrypt.gensalt(4, [b'2a', b'2b'][i % 2])[:7] + bcrypt_salt()
        add(password, hashers.BCryptSHA256PasswordHasher().encode(password, bsalt))
        add(password, hashers.BCryptPasswordHasher().encode(password, bsalt))
        for kind in (argon2.Type.ID, argon2.Type.I):
            m, t, p, size = [(64, 1, 1, 16), (512, 2, 2, 16), (100, 3, 3, 32), (129, 2, 16, 64)][i % 4]
            add(password, 'argon2' + argon2.low_level.hash_secret(
                password.encode(), salt.encode(), t, m, p, size, kind).decode())
    add('c0rrect-Horse-42', hashers.make_password('c0rrect-Horse-42', SALTS[1], 'pbkdf2_sha256'))
    add('c0rrect-Horse-42', hashers.make_password('c0rrect-Horse-42', SALTS[1], 'pbkdf2_sha1'))
    add('c0rrect-Horse-42', hashers.make_password('c0rrect-Horse-42', SALTS[1], 'argon2'))
    add('c0rrect-Horse-42', 'argon2' + argon2.low_level.hash_secret(
        b'c0rrect-Horse-42', SALTS[1].encode(), 2, 19456, 1, 32, argon2.Type.ID).decode())
    sum_ = hashlib.scrypt(b'c0rrect-Horse-42', salt=SALTS[1].encode(), n=1 << 14, r=8, p=5, dklen=64)
    add('c0rrect-Horse-42', 'scrypt$16384$%s$8$5$%s' % (SALTS[1], base64.b64encode(sum_).decode()), verified=False)
    y = hashers.BCryptPasswordHasher().encode('c0rrect-Horse-42', b'$2y$05$' + bcrypt_salt())
    add('c0rrect-Horse-42', y)
    write('hashes.json', out)


def bcrypt_salt():
    b64 = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
    return (''.join(rng.choice(b64) for _ in range(21)) + rng.choice('.Oeu')).encode()


ALPHABETS = [
    'abc', 'abcdefghijklmnopqrstuvwxyz', 'ABCabc123', 'aA1._-@ ', 'äöüßÄÖÜ', 'σςΣ\'aB.', 'İIıi\u0307', 'пароль', '日本語12', 'e\u0301x',
    'a²③४', '_\u00a0\u200b',
]


def word(longest):
    letters = rng.choice(ALPHABETS)
    return ''.join(rng.choice(letters) for _ in range(rng.randint(0, longest)))


def near(text):
    """A text like another one."""
    chars = list(text)
    for _ in range(rng.randint(0, 5)):
        act = rng.randint(0, 3)
        at = rng.randint(0, len(chars))
        if act == 0:
            chars.insert(at, rng.choice('aeiou12!Σ'))
        elif act == 1 and chars:
            chars.pop(at - 1)
        elif act == 2:
            rng.shuffle(chars)
        else:
            chars = [c.swapcase() for c in chars]
    return ''.join(chars)


def ratios():
    out = []
    for _ in range(3000):
        a = word(rng.choice([4, 12, 30]))
        b = near(a) if rng.random() < .7 else word(20)
        ratio = SequenceMatcher(a=a, b=b).quick_ratio()
        out.append([a, b, ratio, rules.exceeds_maximum_length_ratio(a, .7, b)])
    write('ratios.json', out)


class Meta:
    names = {'first_name': 'first name', 'last_name': 'last name', 'email': 'email address'}

    def get_field(self, name):
        if name not in self.names:
            raise FieldDoesNotExist
        field = type('Field', (), {})
        field.verbose_name = self.names[name]
        return field


class User:
    _meta = Meta()

    def __init__(self, first, last, email):
        self.first_name, self.last_name, self.email = first, last, email


VALIDATORS = [
    rules.UserAttributeSimilarityValidator(), rules.MinimumLengthValidator(),
    rules.CommonPasswordValidator(), rules.NumericPasswordValidator(),
]


def judge(password, first, last, email):
    try:
        rules.validate_password(password, User(first, last, email), VALIDATORS)
    except ValidationError as e:
        return [[p.code] + list((p.params or {}).values()) for p in e.error_list]
    return []


def policy():
    common = sorted(VALIDATORS[2].passwords)
    people = [('John', 'Doe', 'john.doe@example.com'), ('Bartholomew', 'Featherstone', 'b.f@mail.example.org'),
              ('', '', 'x@y.zz'), ('Ünal', 'İpek', 'unal@exämple.com'), ('ΟΔΥΣΣΕΥΣ', "O'Neill-Smith", 'o_d@example.com'),
              ('  Anna  ', '. .', 'anna@example.com'), ('monkey', 'Doe', 'q@example.com')]
    out = []
    for i in range(2000):
        first, last, email = people[i % len(people)]
        what = rng.randint(0, 6)
        if what == 0:
            password = near(rng.choice([first, last, email, email.split('@')[0]]))
        elif what == 1:
            password = rng.choice(common)
        elif what == 2:
            password = rng.choice(['', ' ', '\x1c', '\u3000', '\u200b']) + rng.choice(common).title() + rng.choice(['', '\t', '\x85'])
        elif what == 3:
            password = ''.join(rng.choice('0123456789²③४๑½') for _ in range(rng.randint(0, 12)))
        elif what == 4:
            password = word(12)
        elif what == 5:
            password = near(rng.choice([first, last, email])) * rng.randint(1, 12)
        else:
            password = near(rng.choice(common))
        out.append({'password': password, 'first': first, 'last': last, 'email': email,
                    'problems': judge(password, first, last, email)})
    write('policy.json', out)


def ranges(test):
    out = []
    for c in range(0x110000):
        if 0xd800 <= c < 0xe000 or not test(chr(c)):
            continue
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def python():
    import re
    import unicodedata
    lowers = {}
    for c in range(0x110000):
        if not 0xd800 <= c < 0xe000 and chr(c).lower() != chr(c):
            lowers['%x' % c] = chr(c).lower()
    sigma = []
    letters = 'ΣΣΣaA1 .\'’\u0301\u00ad-_ªʰⅠ'
    for _ in range(2000):
        text = ''.join(rng.choice(letters) for _ in range(rng.randint(1, 7)))
        sigma.append([text, text.lower()])
    splits = []
    for _ in range(1000):
        text = ''.join(rng.choice('ab1_²½. -@é\u0301日') for _ in range(rng.randint(0, 9)))
        splits.append([text, re.split(r'\W+', text)])
    write('python.json', {
        'unicode': unicodedata.unidata_version,
        'assigned': ranges(lambda c: unicodedata.category(c) != 'Cn'),
        'word': ranges(lambda c: bool(re.fullmatch(r'\w', c))),
        'digit': ranges(str.isdigit),
        'space': ranges(lambda c: c.strip() == ''),
        'lower': lowers,
        'sigma': sigma,
        'splits': splits,
    })


hashes()
ratios()
policy()
python()
