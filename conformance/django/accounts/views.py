from django.contrib.auth import authenticate
from rest_framework import generics, status
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError
from rest_framework_simplejwt.serializers import TokenRefreshSerializer
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import RefreshToken
from rest_framework_simplejwt.views import TokenRefreshView, TokenVerifyView

from .models import User, UserManager
from .serializers import LoginSerializer, LogoutSerializer, ProfileSerializer, RegisterSerializer, UserSerializer


def answer(message, user, code=status.HTTP_200_OK):
    refresh = RefreshToken.for_user(user)
    tokens = {"refresh": str(refresh), "access": str(refresh.access_token)}
    return Response({"message": message, "user": UserSerializer(user).data, "tokens": tokens}, status=code)


class Public(APIView):
    # A token that the client still sends must not keep anybody from signing in.
    authentication_classes = []
    permission_classes = []


class Register(Public):
    def post(self, request):
        form = RegisterSerializer(data=request.data)
        if not form.is_valid():
            return Response({"error": "Invalid data", "details": form.errors}, status=400)
        return answer("User registered successfully", form.save(), status.HTTP_201_CREATED)


class Login(Public):
    def post(self, request):
        form = LoginSerializer(data=request.data)
        user = None
        if form.is_valid():
            email = UserManager.normalize_email(form.validated_data["email"])
            user = authenticate(request, username=email, password=form.validated_data["password"])
        if user is None:
            details = form.errors or {"non_field_errors": ["Invalid credentials."]}
            return Response({"error": "Invalid credentials", "details": details}, status=401)
        return answer("Login successful", user)


class RefreshSerializer(TokenRefreshSerializer):
    def validate(self, attrs):
        refresh = RefreshToken(attrs["refresh"])
        claim = refresh.payload.get(api_settings.USER_ID_CLAIM)
        user = User.objects.filter(pk=claim, is_active=True).first()
        if user is None:
            raise AuthenticationFailed("No active account found for the given token.", "no_active_account")
        data = super().validate(attrs)
        data["user"] = UserSerializer(user).data
        return data


class Refresh(TokenRefreshView):
    serializer_class = RefreshSerializer


class Verify(TokenVerifyView):
    pass


class Logout(APIView):
    permission_classes = [IsAuthenticated]

    def post(self, request):
        form = LogoutSerializer(data=request.data)
        if not form.is_valid():
            return Response({"error": "Invalid data", "details": form.errors}, status=400)
        try:
            RefreshToken(form.validated_data["refresh_token"]).blacklist()
        except TokenError as error:
            raise InvalidToken(error.args[0])
        return Response({"message": "Successfully logged out"})


class Profile(generics.RetrieveUpdateAPIView):
    permission_classes = [IsAuthenticated]
    serializer_class = ProfileSerializer

    def get_object(self):
        return self.request.user
