@echo off
rem Install vsocks in a Windows guest, as administrator. Options are those of vsocks-guest.exe:
rem     install.cmd [--channel com:COM1] ...
rem Nobody at the keyboard: install.cmd < NUL
setlocal
set program=%~dp0vsocks-guest.exe

"%program%" service install %*
if errorlevel 1 goto failed
"%program%" service start
if errorlevel 1 goto failed
echo Programs can use 127.0.0.1:1080 now, as their SOCKS or HTTP proxy.
echo For all of Windows: "%ProgramFiles%\vsocks\vsocks-guest.exe" system-proxy on
pause
exit /b 0

:failed
echo vsocks was not installed, or does not run: see above.
pause
exit /b 1
