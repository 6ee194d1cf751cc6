from rest_framework import status
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.views import APIView

from .permissions import role_in


class Public(APIView):
    authentication_classes = []
    permission_classes = [AllowAny]

    def get(self, request):
        return Response({"message": "hello, whoever you are"})


class Me(APIView):
    def get(self, request):
        return Response({"user_id": request.user.id, "role": request.auth["role"]})


class Reports(APIView):
    def get_permissions(self):
        # All but the limited role may add one; heads may read them.
        staff = ["admin", "manager"] + (["employee"] if self.request.method == "POST" else [])
        return [role_in(*staff)()]

    def get(self, request):
        return Response(["the first quarter", "the second quarter"])

    def post(self, request):
        return Response({"by": request.user.id}, status=status.HTTP_201_CREATED)
