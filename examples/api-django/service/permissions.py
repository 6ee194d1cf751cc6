from rest_framework.permissions import BasePermission


def role_in(*roles):
    """A permission class for users whose token has one of these roles."""

    class RoleIn(BasePermission):
        def has_permission(self, request, view):
            return bool(request.auth) and request.auth.get("role") in roles

    return RoleIn
