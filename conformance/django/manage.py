"""Django's command line: python3 manage.py migrate."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "guide.settings")
    execute_from_command_line(sys.argv)
