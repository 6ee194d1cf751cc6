from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from rest_framework import serializers

from .models import User, UserManager


class UserSerializer(serializers.ModelSerializer):
    """The short form that comes with tokens."""

    class Meta:
        model = User
        fields = ["id", "email", "first_name", "last_name", "role"]


class ProfileSerializer(serializers.ModelSerializer):
    class Meta:
        model = User
        fields = ["id", "email", "first_name", "last_name", "phone", "role", "created_at", "updated_at"]
        read_only_fields = ["id", "email", "role", "created_at", "updated_at"]


class RegisterSerializer(serializers.ModelSerializer):
    email = serializers.EmailField(max_length=254)
    password = serializers.CharField(write_only=True, trim_whitespace=False)
    password2 = serializers.CharField(write_only=True, trim_whitespace=False)

    class Meta:
        model = User
        fields = ["email", "password", "password2", "first_name", "last_name", "phone", "role"]

    def validate(self, data):
        data["email"] = UserManager.normalize_email(data["email"])
        errors = {}
        if User.objects.filter(email=data["email"]).exists():
            errors["email"] = ["A user with this email already exists."]
        if data["password"] != data.pop("password2"):
            errors["password"] = ["Password fields didn't match."]
        else:
            user = User(**{name: value for name, value in data.items() if name != "password"})
            try:
                validate_password(data["password"], user)
            except ValidationError as error:
                errors["password"] = error.messages
        if errors:
            raise serializers.ValidationError(errors)
        return data

    def create(self, data):
        return User.objects.create_user(**data)


class LoginSerializer(serializers.Serializer):
    email = serializers.EmailField()
    password = serializers.CharField(trim_whitespace=False)


class LogoutSerializer(serializers.Serializer):
    refresh_token = serializers.CharField()
