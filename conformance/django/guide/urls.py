from django.urls import path

from accounts import views

urlpatterns = [
    path("api/auth/register/", views.Register.as_view()),
    path("api/auth/login/", views.Login.as_view()),
    path("api/auth/logout/", views.Logout.as_view()),
    path("api/auth/token/refresh/", views.Refresh.as_view()),
    path("api/auth/token/verify/", views.Verify.as_view()),
    path("api/auth/profile/", views.Profile.as_view()),
]
